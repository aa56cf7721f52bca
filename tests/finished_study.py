"""Fixtures: one small study, made once by the command, for all tests that look at a finished one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from p2phd_eval.cli import app
from p2phd_eval.features.weights.index import WeightsFile
from p2phd_eval.scenes.data_set import write_dataset

#: The smallest networks that there are, for two epochs.
OPTIONS = (
    *("--arms", "fp32,amp-bf16", "--seeds", "2", "--margin", "10%", "--preset", "demo", "--load-size", "64"),
    *("--ngf", "4", "--n-blocks", "1", "--ndf", "4", "--n-layers-d", "2", "--epochs", "1", "--epochs-decay", "1"),
    *("--log-every", "2", "--checkpoint-every", "3"),
)


def start_study(*arguments: object) -> subprocess.Popen[str]:
    """Start `p2phd-eval study` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "p2phd_eval", "study", *map(str, arguments), "--device", "cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def run_study(*arguments: object, folder: Path) -> None:
    """Run `p2phd-eval study` in a folder to its end: its runs are processes, it itself is this one."""
    command = ["study", *map(str, arguments), "--device", "cpu"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["p2phd-eval", *command])  # which the report shows
        result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the processes of a test run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def study_data(shared_folder: Path) -> Path:
    """Scenes of 64 x 32 pixels: 6 for training, 8 for the test. Not to be changed."""
    root = shared_folder / "scenes"
    with FileLock(f"{root}.lock"):
        if not root.exists():
            write_dataset(root, n_train=6, n_test=8, width=64, height=32, seed=0)
    return root


@pytest.fixture(scope="session")
def finished_study(study_data: Path, shared_folder: Path, inception_weights: WeightsFile) -> Path:
    """A study that was never interrupted. Not to be changed."""
    root = shared_folder / "finished"
    with FileLock(f"{root}.lock"):
        if not (root / "study" / "report.md").exists():
            root.mkdir()
            run_study(study_data, "--out", "study", *OPTIONS, folder=root)
    return root / "study"
