"""All trackers of one training: told alike, none able to end it; and `train --track`, stopped and resumed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.training.loop import Watchers, train_networks
from p2phd_eval.tracking.tracker import Ending
from p2phd_eval.tracking.trackers import open_trackers
from tests.commands.command_line import document_of, invoke
from tests.tracking.tracked import curves_of_mlflow, curves_of_the_log, only_run

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
mlflow = pytest.importorskip("mlflow")
# Versions 3.7 to 3.12 say so of every store of files, also of the one that these tests name.
pytestmark = pytest.mark.filterwarnings("ignore:The filesystem tracking backend:FutureWarning")
event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

BOTH = ("tensorboard", "mlflow")


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")


def tensorboard_steps(run: Path) -> dict[str, list[int]]:
    accumulator = event_accumulator.EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    accumulator.Reload()
    return {name: [event.step for event in accumulator.Scalars(name)] for name in accumulator.Tags()["scalars"]}


def test_both_show_the_same_names_and_steps(tiny: TrainConfig, scenes: Path, tmp_path: Path) -> None:
    run, notes = tmp_path / "run", list[str]()
    with open_trackers((*BOTH, "mlflow"), run, tiny, experiment="scenes", note=notes.append) as trackers:
        watchers = Watchers(on_log=trackers.on_log, on_grid=trackers.on_grid)
        train_networks(tiny, scenes, run, device=torch.device("cpu"), watchers=watchers)
        trackers.on_scores(9, {"fid": 40.0})
    client = mlflow.MlflowClient((run / "mlflow").as_uri())
    curves = curves_of_mlflow(client, only_run(client))
    assert tensorboard_steps(run) == {name: sorted(values) for name, values in curves.items()}
    assert curves.keys() == {*curves_of_the_log(run), "validation/fid"}
    assert only_run(client).info.status == "FINISHED"
    assert notes == []


def test_trackers_that_fail_are_noted_once_and_the_training_goes_on(
    tiny: TrainConfig, scenes: Path, tmp_path: Path
) -> None:
    """Files where their folders should be: what each library raises by itself."""
    run, notes = tmp_path / "run", list[str]()
    run.mkdir()
    for name in BOTH:
        (run / name).write_text("in the way")
    with open_trackers(BOTH, run, tiny, experiment="scenes", note=notes.append) as trackers:
        watchers = Watchers(on_log=trackers.on_log, on_grid=trackers.on_grid)
        result = train_networks(tiny, scenes, run, device=torch.device("cpu"), watchers=watchers)
    assert result.step == result.total_steps == len(curves_of_the_log(run)["learning_rate"])
    assert [note.split()[:3] for note in notes] == [["--track", name, "failed:"] for name in BOTH]
    assert all("The training goes on" in note and "\n" not in note for note in notes)


def test_a_store_that_comes_back_is_told_how_it_ended(tiny: TrainConfig, tmp_path: Path) -> None:
    notes = list[str]()
    with open_trackers(("mlflow",), tmp_path, tiny, experiment="scenes", note=notes.append) as trackers:
        trackers.on_scores(1, {"fid": 1.0})
        shutil.move(tmp_path / "mlflow", tmp_path / "away")
        (tmp_path / "mlflow").write_text("in the way")
        for step in (2, 3):
            trackers.on_scores(step, {"fid": 1.0})
        trackers.on_grid(3, np.zeros((4, 4, 3), dtype=np.uint8))
        (tmp_path / "mlflow").unlink()
        shutil.move(tmp_path / "away", tmp_path / "mlflow")
        trackers.end(Ending.STOPPED)
    assert len(notes) == 1
    client = mlflow.MlflowClient((tmp_path / "mlflow").as_uri())
    assert only_run(client).info.status == "KILLED"


def test_an_exception_is_a_failed_run_and_passes_through(tiny: TrainConfig, tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="a full disk"),
        open_trackers(("mlflow",), tmp_path, tiny, experiment="scenes", note=print) as trackers,
    ):
        trackers.on_scores(1, {"fid": 1.0})
        raise InputError("run", expected="room", found="a full disk")
    client = mlflow.MlflowClient((tmp_path / "mlflow").as_uri())
    assert only_run(client).info.status == "FAILED"


def test_unknown_names(tiny: TrainConfig, tmp_path: Path) -> None:
    with open_trackers("tensorboard", tmp_path, tiny, experiment="scenes", note=print) as trackers:  # not ten names
        trackers.on_scores(9, {"fid": 40.0})
    assert tensorboard_steps(tmp_path) == {"validation/fid": [9]}
    with pytest.raises(InputError, match="--track: expected tensorboard or mlflow, found 'wandb'"):
        open_trackers(("wandb",), tmp_path, tiny, experiment="scenes", note=print)


def test_a_training_stopped_by_sigterm_and_resumed_shows_each_step_once(scenes: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = [
        *("train", str(scenes), "--out", str(run), "--preset", "demo", "--load-size", "64", "--ngf", "4"),
        *("--n-blocks", "1", "--ndf", "4", "--n-layers-d", "2", "--epochs", "12", "--epochs-decay", "0"),
        *("--batch-size", "2", "--log-every", "1", "--device", "cpu"),
        *("--track", "tensorboard", "--track", "mlflow", "--json", "-"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "p2phd_eval", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "step 3" not in (line := process.stderr.readline()):
        assert line, "it ended before step 3"
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM, stderr
    stopped = json.loads(stdout)["step"]
    assert 3 <= stopped < 36
    client = mlflow.MlflowClient((run / "mlflow").as_uri())
    assert only_run(client).info.status == "KILLED"
    assert len(curves_of_mlflow(client, only_run(client))["learning_rate"]) == stopped

    assert document_of(invoke(*arguments, "--resume"))["step"] == 36
    shown = only_run(client)
    assert shown.info.status == "FINISHED"
    assert client.get_experiment(shown.info.experiment_id).name == "data"  # the data set's folder
    assert curves_of_mlflow(client, shown) == curves_of_the_log(run)
    steps = tensorboard_steps(run)
    assert steps == {name: list(values) for name, values in curves_of_the_log(run).items()}
    assert steps["learning_rate"] == list(range(1, 37))
