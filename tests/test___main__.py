"""`python -m p2phd_eval` and what a study starts: nothing that lies in the current folder is run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import p2phd_eval
from p2phd_eval.study.schedule import study_command

#: Modules of Python and of packages, imported early and late.
NAMES = ("random", "typing", "pathlib", "json", "filelock", "rich", "numpy", "scipy", "cli", "files")
ROOT = str(Path(p2phd_eval.__file__).parent.parent)


#: The file that a study starts its runs by.
PROGRAM = study_command(Path("study"))[1]


@pytest.mark.parametrize("started", [("-m", "p2phd_eval"), (PROGRAM,)], ids=["module", "file"])
def test_nothing_in_the_current_folder_is_run(started: tuple[str, ...], tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open('ran-{name}', 'w')\n")
    command = [sys.executable, *started, "plan", "--image-sd", "60", "--margin", "2"]
    variables = {"PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert [path.name for path in tmp_path.glob("ran-*")] == []
    assert result.returncode == 0, result.stderr


def test_a_package_beside_which_it_is_started_is_found(tmp_path: Path) -> None:
    """A checkout that is not installed, as its first user has it."""
    (tmp_path / "p2phd_eval").symlink_to(Path(p2phd_eval.__file__).parent)
    code = """
import runpy, sys
sys.path[0] = sys.argv.pop()
runpy.run_module("p2phd_eval", run_name="__main__")
"""
    result = subprocess.run(
        [sys.executable, "-c", code, "--version", str(tmp_path)],
        cwd="/",
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout == f"p2phd-eval {p2phd_eval.__version__}\n", result.stderr
