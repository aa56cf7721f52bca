"""Fixtures: a data set and two runs, made by the commands of the README."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.command_line import TRAIN_OPTIONS, invoke


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli") / "scenes"
    result = invoke("data", "synthesize", root, "--train", 4, "--test", 4, "--width", 64, "--height", 32)
    assert result.exit_code == 0, result.output
    return root


@pytest.fixture(scope="session")
def runs(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An fp32 and an AMP run with samples, made by the commands of the README."""
    root = tmp_path_factory.mktemp("cli-runs")
    for name, options in (("fp32", ()), ("amp", ("--amp",))):
        result = invoke("train", scenes, "--out", root / name, "--device", "cpu", *TRAIN_OPTIONS, *options)
        assert result.exit_code == 0, result.output
        result = invoke("generate", root / name, scenes, "--out", root / name / "samples", "--device", "cpu")
        assert result.exit_code == 0, result.output
    return root
