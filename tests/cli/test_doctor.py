"""``flam doctor`` says what is installed and what is missing."""

import importlib.metadata

import pytest

import flam
from flam.cli import doctor as doctor_module


def test_everything_required_is_listed_with_its_version(run):
    done = run("doctor")
    assert done.code == 0
    assert f"flam {flam.__version__}" in done.out
    assert f"numpy {importlib.metadata.version('numpy')}" in done.out
    assert "flam-mini: bundled" in done.out


def test_a_missing_package_is_named_with_the_remedy(run, monkeypatch):
    def version(package):
        if package == "numpy":
            raise importlib.metadata.PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(doctor_module, "version", version)
    done = run("doctor")
    assert done.code == 1
    assert "numpy MISSING" in done.out
    assert "pip install numpy" in done.err


@pytest.mark.parametrize("extra", ["plot", "media"])
def test_a_missing_extra_is_named_with_the_remedy(run, monkeypatch, extra):
    def version(package):
        if package in ("matplotlib", "av"):
            raise importlib.metadata.PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(doctor_module, "version", version)
    assert f'pip install "flam-audio[{extra}]"' in run("doctor").out
