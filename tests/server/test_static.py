"""The page is in the package: built, small, and whole."""

import hashlib
import zipfile
from importlib import resources
from pathlib import Path

import pytest

STATIC = Path(str(resources.files("flam") / "server" / "static"))
ROOT = Path(__file__).parents[2]
MOST_BYTES = 300_000


def test_page_is_small_and_names_only_its_own_files():
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    page = (STATIC / "index.html").read_text()
    for part in page.split('"'):
        if part.startswith("/"):
            assert (STATIC / part[1:]).is_file(), part


@pytest.mark.skipif(not (ROOT / "web").is_dir(), reason="the sources of the page are not here")
def test_page_was_built_from_the_sources_beside_it():
    web = ROOT / "web"
    paths = [path for folder in ("public", "src") for path in (web / folder).rglob("*") if path.is_file()]
    paths += [web / name for name in ("index.html", "package-lock.json", "vite.config.ts")]
    digest = hashlib.sha256()
    for name in sorted(path.relative_to(web).as_posix() for path in paths):
        digest.update(f"{name}\n".encode() + (web / name).read_bytes())
    assert (STATIC / "sources.sha256").read_text() == f"{digest.hexdigest()}\n", "run make page"


@pytest.mark.slow
def test_a_wheel_holds_the_page(tmp_path):
    builders = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    [wheel] = builders.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        assert {"flam/server/static/index.html", "flam/server/static/assets/index.js"} <= set(archive.namelist())
