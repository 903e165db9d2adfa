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
    "review",
    "data",
    "training",
    "plots",
    "jobs",
    "search",
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
