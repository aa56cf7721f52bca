"""The house's rules, read from the real imports of every module."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import p2phd_eval

PACKAGE = Path(p2phd_eval.__file__).parent

# A room may import rooms below it and itself. Modules at the top of the package are rooms of their own.
FLOORS = (
    {"errors"},
    {"__init__", "cache_folder", "files", "progress"},
    {"config", "decoding", "devices", "distributed", "images", "pictures", "torchvision_ops", "worker_processes"},
    {"sources"},
    {"generators", "presets", "stats"},
    {"bench", "features"},
    {"blind_test", "held_out", "report"},
    {"study"},
    {"commands"},
    {"cli"},
    {"__main__"},
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def room_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports(path: Path) -> set[str]:
    """All modules a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_imports_point_down_only() -> None:
    for path in modules():
        room = room_of(path)
        assert room in FLOOR_OF, f"{path} stands in no known room"
        for name in imports(path):
            parts = name.split(".")
            if parts[0] != "p2phd_eval":
                continue
            target = parts[1] if len(parts) > 1 and parts[1] in FLOOR_OF else "__init__"
            same = target == room
            assert same or FLOOR_OF[target] < FLOOR_OF[room], f"{path.relative_to(PACKAGE)} imports {name}"


def test_the_wings_do_not_know_each_other() -> None:
    """What is measured, and what measures it."""
    strangers = {"stats": ("generators",), "features": ("generators",), "generators": ("stats", "features")}
    for path in modules():
        for other in strangers.get(room_of(path), ()):
            assert not any(name.startswith(f"p2phd_eval.{other}") for name in imports(path)), path


def test_statistics_need_no_torch() -> None:
    for path in (PACKAGE / "stats").glob("*.py"):
        assert not any(name.split(".")[0] in ("torch", "torchvision", "pytorch_fid") for name in imports(path)), path


def test_the_command_line_starts_without_torch() -> None:
    """`--help` and bad options answer at once."""
    code = "import sys, p2phd_eval.cli; print([m for m in ('torch', 'scipy') if m in sys.modules])"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"


def test_files_stay_small() -> None:
    """One concept a file."""
    sizes = {path.relative_to(PACKAGE).as_posix(): len(path.read_text().splitlines()) for path in modules()}
    assert {name: lines for name, lines in sizes.items() if lines > 310} == {}
    assert not (PACKAGE / "utils.py").exists()
