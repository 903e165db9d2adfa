"""A room imports only from strictly lower floors, and the package stays light until a model is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "flam"
FLOORS = {
    "core": 0,
    "audio": 1,
    "annotations": 1,
    "synth": 2,
    "model": 2,
    "losses": 2,
    "evaluation": 2,
    "data": 3,
    "detection": 3,
    "training": 4,
    "search": 4,
    "apps": 5,
}


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("flam.")} & FLOORS.keys()
    return rooms


@pytest.mark.parametrize("room", sorted(FLOORS))
def test_room_imports_only_lower_floors(room):
    for path in (SOURCE / room).rglob("*.py"):
        above = {name for name in imported_rooms(path) - {room} if FLOORS[name] >= FLOORS[room]}
        assert not above, f"{path.relative_to(SOURCE)} imports {sorted(above)}, which is not below {room}"


def test_every_room_has_a_floor():
    assert {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()} - {"assets"} <= FLOORS.keys()


def test_import_flam_does_not_import_torch():
    code = "import flam, sys; assert not {'torch', 'transformers', 'matplotlib'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
