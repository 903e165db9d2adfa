"""A package imports only from packages above it in the list, and stays light until a model is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "flam"
PACKAGES = [
    "core",
    "audio",
    "annotations",
    "library",
    "procedural",
    "scenes",
    "evaluation",
    "hub",
    "model",
    "losses",
    "detection",
    "data",
    "training",
    "plots",
    "jobs",
    "live",
    "search",
    "review",
    "benchmark",
    "server",
    "cli",
    "compat",
]
# a downloaded checkpoint is converted at once, by the one package that knows its tensors
ALLOWED_UPWARD = {("hub", "model")}


def imported_packages(path: Path) -> set[str]:
    packages = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        packages |= {name.split(".")[1] for name in names if name.startswith("flam.")} & set(PACKAGES)
    return packages


@pytest.mark.parametrize("package", PACKAGES)
def test_package_imports_only_from_packages_above_it(package):
    above = PACKAGES[: PACKAGES.index(package)]
    for path in (SOURCE / package).rglob("*.py"):
        wrong = {name for name in imported_packages(path) - {package, *above} if (package, name) not in ALLOWED_UPWARD}
        assert not wrong, f"{path.relative_to(SOURCE)} imports {sorted(wrong)}, which are not above {package}"


def test_every_package_is_in_the_list():
    assert {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()} - {"assets"} <= set(PACKAGES)


def test_import_flam_does_not_import_torch():
    code = "import flam, sys; assert not {'torch', 'transformers', 'matplotlib'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


WITHOUT_TORCH = """
import sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "scipy"):
            raise ImportError(f"{name} is forbidden here")

sys.meta_path.insert(0, Forbidden())
import numpy as np
import flam
import flam.benchmark.library_benchmarks  # flam evaluate
from flam.cli.main import main

detector = flam.load()
sound = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
detector.detect(sound, ["rain"], threshold=0.5)
detector.embed_audio(sound)
detector.embed_frames(sound)
session = detector.session(["rain"])
session.push(sound)
session.finish()
assert main(["models", "list"]) == main(["models", "info", "flam-mini"]) == 0
assert main(["detect", sys.argv[1], "-p", "rain", "-q"]) == 0
assert main(["detect", sys.argv[1], "-p", "rain", "--device", "cuda"]) == 2
assert not {"torch", "transformers", "scipy"} & sys.modules.keys()
"""


@pytest.mark.slow
def test_detection_and_evaluation_need_neither_torch_nor_scipy():
    recording = SOURCE / "assets" / "demo" / "home.ogg"
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, recording], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'pip install "flam-audio[torch]"' in done.stderr
