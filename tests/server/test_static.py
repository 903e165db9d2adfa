"""The page is in the package: built, small, and whole."""

import zipfile
from importlib import resources
from pathlib import Path

import pytest

STATIC = Path(str(resources.files("flam") / "server" / "static"))
MOST_BYTES = 300_000


def test_page_is_small_and_names_only_its_own_files():
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    page = (STATIC / "index.html").read_text()
    for part in page.split('"'):
        if part.startswith("/"):
            assert (STATIC / part[1:]).is_file(), part


def test_a_wheel_holds_the_page(tmp_path):
    builders = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    root = Path(__file__).parents[2]
    [wheel] = builders.WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        assert {"flam/server/static/index.html", "flam/server/static/assets/index.js"} <= set(archive.namelist())
