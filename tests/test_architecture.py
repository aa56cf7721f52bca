"""The house's rules, read from the real imports of every module."""

from __future__ import annotations

import ast
import re
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import p2phd_eval

PACKAGE = Path(p2phd_eval.__file__).parent

# A room may import rooms below it and itself. Modules at the top of the package are rooms of their own.
FLOORS = (
    {"errors"},
    {"user_folders"},
    {"stores"},
    {
        "__init__",
        "cores",
        "executor_options",
        "files",
        "formatting",
        "json_files",
        "npz_files",
        "progress",
        "streams",
        "tensor_files",
    },
    {"beside", "failures", "locks", "ray_cluster", "targets", "versions"},
    {"config", "devices", "distributed", "downloads", "images", "interrupts", "torchvision_ops"},
    {"memory", "plugin_import", "workers"},
    {"generators", "scenes", "stats"},
    {"presets"},
    {"bench", "deployment", "features", "tracking"},
    {"evaluation"},
    {"quality", "runs", "segmentation"},
    {"editing"},
    {"report"},
    {"blind_test", "editor", "gate", "planning", "study"},
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
    if path == PACKAGE / "__init__.py":
        return set()  # the front door: it names all rooms and enters none until it is asked
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


def module_name(path: Path) -> str:
    parts = ("p2phd_eval", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules() -> dict[str, set[str]]:
    """Which modules of the package each module imports."""
    names = {module_name(path): imports(path) for path in modules()}
    return {
        module: {name if name in names else name.rpartition(".")[0] for name in found if name.startswith("p2phd_eval")}
        for module, found in names.items()
    }


def test_no_two_rooms_import_each_other() -> None:
    """In each folder its files and the folders in it, whole, import each other one way: there is no way back."""
    imported = imported_modules()
    for folder in sorted({module_name(path.parent / "__init__.py") for path in modules()}):
        inside = f"{folder}."
        rooms: dict[str, set[str]] = {}
        for module, targets in imported.items():
            if module.startswith(inside):
                room = module.removeprefix(inside).partition(".")[0]
                there = {name.removeprefix(inside).partition(".")[0] for name in targets if name.startswith(inside)}
                rooms.setdefault(room, set()).update(there - {room})
        try:
            TopologicalSorter(rooms).prepare()
        except CycleError as error:
            raise AssertionError(f"rooms of {folder} that import each other: {error.args[1]}") from None


def test_the_wings_do_not_know_each_other() -> None:
    """What is measured, and what measures it."""
    strangers = {
        "stats": ("generators", "features", "evaluation", "images"),
        "features": ("generators",),
        "evaluation": ("generators",),
        "segmentation": ("generators",),
        "generators": ("stats", "features", "segmentation", "evaluation"),
    }
    for path in modules():
        for other in strangers.get(room_of(path), ()):
            assert not any(name.startswith(f"p2phd_eval.{other}") for name in imports(path)), path


def test_statistics_need_no_torch_and_no_files() -> None:
    """Arrays in, dataclasses out."""
    for path in (PACKAGE / "stats").rglob("*.py"):
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & {"torch", "torchvision", "pytorch_fid", "pathlib"}, path


def test_every_name_of_a_file_stands_for_one_thing() -> None:
    """A stranger who looks for a file by its name finds one."""
    names = Counter(path.stem for path in modules() if path.stem not in ("__init__", "__main__"))
    assert {name: count for name, count in names.items() if count > 1} == {}


# --- The tests

TESTS = Path(__file__).parent

#: Tests of no single module: of what several do together, of the documents, and of the house itself.
OF_NO_MODULE = {
    "test_architecture.py",
    "test_front_door.py",  # what `import p2phd_eval` gives
    "test_docs.py",  # what the documents say of commands and options
    "test_docs_site.py",
    "test_action.py",  # the steps of action.yml, as a runner runs them
    "stats/test_properties.py",  # invariances of distances, errors and verdicts
    "features/test_peers.py",  # against the other FID tools
    "commands/test_numeric_options.py",  # of all commands that judge
    "examples/test_arms_files.py",  # of the written examples
    "editor/test_page.py",  # in a real browser
    "images/sources/test_all_sources.py",
    "generators/test_bad_checkpoints.py",  # what is read, loaded and resumed from
    "generators/networks/test_golden.py",  # against the original's numbers
    "generators/training/test_reference_step.py",  # against the original's formulae
    "generators/training/test_trajectory.py",  # against the original's trainings
    "generators/training/test_distributed.py",  # over several processes
    "generators/training/test_cuda.py",  # on a GPU
}


def test_every_test_stands_where_its_module_stands() -> None:
    """`p2phd_eval/room/module.py` is tested by `tests/room/test_module.py`, and `benchmarks/` likewise."""
    elsewhere = set()
    for path in TESTS.rglob("test_*.py"):
        place = path.relative_to(TESTS)
        module = place.with_name(place.name.removeprefix("test_"))
        if not any((root / module).exists() for root in (PACKAGE, PACKAGE.parent)):
            elsewhere.add(place.as_posix())
    assert elsewhere == OF_NO_MODULE


def test_no_test_module_imports_another() -> None:
    """What tests share stands in modules of its own."""
    for path in TESTS.rglob("*.py"):
        shared = [name for name in imports(path) if re.search(r"\.(test_\w+|conftest)\b", name)]
        assert shared == [], path
