"""A command and its call from Python do the same where nothing is said: their defaults are equal."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from p2phd_eval import check_gate, run_study
from p2phd_eval.blind_test.make_and_score import make_blind_test, score_blind_test
from p2phd_eval.commands.blind_test import blind_test
from p2phd_eval.commands.demo import demo
from p2phd_eval.commands.gate import gate
from p2phd_eval.commands.study import study
from p2phd_eval.study.plan_study import forecast_study, plan_study
from p2phd_eval.study.run_demo import run_demo
from p2phd_eval.study.run_job import make_run
from p2phd_eval.study.slurm import write_slurm


def defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """The defaults of a function's parameters; a path is its text, and no list an empty one."""
    found = {each.name: each.default for each in inspect.signature(function).parameters.values()}
    found = {name: str(value) if isinstance(value, Path) else value for name, value in found.items()}
    return found | ({"track": found["track"] or ()} if "track" in found else {})


@pytest.mark.parametrize(
    ("command", "call"),
    [
        (study, run_study),
        (study, plan_study),
        (study, forecast_study),
        (study, make_run),
        (study, write_slurm),
        (demo, run_demo),
        (gate, check_gate),
        (blind_test, make_blind_test),
        (blind_test, score_blind_test),
    ],
)
def test_what_is_left_out_is_the_same(command: Callable[..., Any], call: Callable[..., Any]) -> None:
    of_command, of_call = defaults(command), defaults(call)
    both = of_command.keys() & of_call.keys()
    required = {name for name in both if of_call[name] is inspect.Parameter.empty}
    assert {name: of_command[name] for name in both - required} == {name: of_call[name] for name in both - required}
    assert len(both - required) > 1
