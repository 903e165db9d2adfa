"""Every example in a docstring does what it says."""

import doctest
import importlib
import pkgutil

import pytest

import flam

SLOW = ("flam.detection.backends.pe_audio", "flam.scenes.demo")  # transformers and a model; a scene of half a minute
MODULES = [
    pytest.param(module.name, marks=[pytest.mark.slow] if module.name in SLOW else [])
    for module in pkgutil.walk_packages(flam.__path__, "flam.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an example that forgets to tidy up leaves nothing in the checkout
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0


def test_examples_are_found():
    found = doctest.DocTestFinder().find(importlib.import_module("flam.core.timegrid"))
    assert sum(len(test.examples) for test in found) > 0
