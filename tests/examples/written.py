"""The written examples, as a reader would take them: a copy of the folder, and its arms file with some of its arms."""

from __future__ import annotations

import shutil
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def copy_example(name: str, folder: Path, *, arms: tuple[str, ...]) -> Path:
    """Copy an example's files into a folder, with these arms alone; return its arms file."""
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("__pycache__"))
    head, *tables = (folder / "arms.toml").read_text().split("[[arm]]\n")
    of_name = {table.partition('name = "')[2].partition('"')[0]: table for table in tables}
    (folder / "arms.toml").write_text(head + "".join(f"[[arm]]\n{of_name[arm]}" for arm in arms))
    return folder / "arms.toml"
