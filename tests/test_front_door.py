"""`import p2phd_eval` gives the names that stand for the commands, each loaded when it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import p2phd_eval


def test_every_name_resolves_and_is_listed() -> None:
    for name in p2phd_eval.__all__:
        assert getattr(p2phd_eval, name).__name__ == name
    assert set(p2phd_eval.__all__) <= set(dir(p2phd_eval))


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(p2phd_eval.__file__).read_text())
    (branch,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname: node.module for node in branch.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert seen == p2phd_eval._HOME


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match=r"module 'p2phd_eval' has no attribute 'compute_kid'"):
        p2phd_eval.compute_kid  # noqa: B018


def test_no_name_hides_a_room() -> None:
    folder = Path(p2phd_eval.__file__).parent
    assert {path.stem for path in folder.iterdir()}.isdisjoint(p2phd_eval.__all__)


@pytest.mark.parametrize("module", ["p2phd_eval", "p2phd_eval.cli"])
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    heavy = ("torch", "scipy", "matplotlib", "numpy", "PIL", "jinja2")
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"
