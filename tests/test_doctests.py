"""Every example in a docstring does what it says."""

import doctest
import importlib
from pathlib import Path

import pytest

import flam

SLOW = ("flam.detection.backends.pe_audio", "flam.scenes.demo")  # transformers and a model; a scene of half a minute
ROOT = Path(flam.__file__).parents[1]
MODULES = [
    pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
    for path in sorted((ROOT / "flam").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
    for name in [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")]
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an example that forgets to tidy up leaves nothing in the checkout
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0


def test_examples_are_found():
    found = doctest.DocTestFinder().find(importlib.import_module("flam.core.timegrid"))
    assert sum(len(test.examples) for test in found) > 0
