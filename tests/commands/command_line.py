"""Calling the commands as a user types them, for the tests of the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import typer
from typer.testing import CliRunner, Result

from p2phd_eval.cli import app
from p2phd_eval.images.png import write_png
from tests.documentation import checked

TRAIN_OPTIONS = (
    *("--load-size", "64", "--ngf", "4", "--n-downsample", "2", "--n-blocks", "1", "--ndf", "4"),
    *("--batch-size", "2", "--epochs", "1", "--epochs-decay", "1", "--vgg", "none"),
)
SMALL_FEATURES = ("--dims", 64, "--device", "cpu", "--workers", 0)


def all_commands() -> dict[str, Any]:
    """Every command there is, by what is typed to call it."""

    def below(group: Any, above: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, command in group.commands.items():
            called = f"{above} {name}".strip()
            found |= below(command, called) if hasattr(command, "commands") else {called: command}
        return found

    return below(typer.main.get_command(app), "")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def error_of(result: Result) -> str:
    """The message of a command that failed with bad input: short, no traceback."""
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.stderr.split())


def document_of(result: Result) -> dict[str, Any]:
    """The JSON of `--json -`: the only thing on stdout. It keeps to the published schema of its kind."""
    assert result.exit_code == 0, result.output
    return checked(json.loads(result.stdout))


def noise_folder(folder: Path, n: int, *, seed: int = 0, size: tuple[int, int] = (32, 24), prefix: str = "i") -> Path:
    rng = np.random.default_rng(seed)
    for i in range(n):
        write_png(folder / f"{prefix}{i}.png", rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    return folder
