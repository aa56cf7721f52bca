"""A study as a call: it prints nothing, raises instead of exiting, and redoes nothing that is finished."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.study.run_study import run_study
from p2phd_eval.study.schedule import RunFailed, StudyStopped


def test_a_finished_study_is_reported_again(
    finished_study: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    study = shutil.copytree(finished_study, tmp_path / "study")
    forecasts, notes = [], list[str]()
    result = run_study(out=study, device="cpu", on_forecast=forecasts.append, note=notes.append)
    assert notes == ["device: cpu", "A CPU shows the quality of reduced precision, not its speed."]
    assert [len(forecast.plan.runs) for forecast in forecasts] == [5]
    assert {outcome.status for outcome in result.outcomes.values()} == {"finished"}
    written = json.loads((study / "report.json").read_text())
    assert repr(result) == f"{written['verdicts'][0]['sentence']}\nReport: {study / 'report.html'}"
    assert capfd.readouterr() == ("", "")


def test_an_unknown_tracker_is_refused_before_anything_is_done(study_data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--track: expected tensorboard or mlflow, found 'wandb'"):
        run_study(study_data, tmp_path, track="wandb", device="cpu")
    assert not list(tmp_path.iterdir())


def test_a_run_that_fails_is_an_error_with_what_it_said(finished_study: Path, tmp_path: Path) -> None:
    study = shutil.copytree(finished_study, tmp_path / "study")
    runs = study / "runs"
    shutil.copy(runs / "fp32-s1" / "checkpoints" / "latest.pt", runs / "fp32-s0" / "checkpoints" / "latest.pt")
    with pytest.raises(RunFailed, match="expected the checkpoint that the study recorded") as failure:
        run_study(out=study, device="cpu")
    assert failure.value.returncode == 2
    assert "fp32-s0 ended with exit code 2" in str(failure.value)


def test_a_signal_between_two_runs_stops_the_study(finished_study: Path, tmp_path: Path) -> None:
    """It comes as a run is about to start: that run is told, too."""
    study = shutil.copytree(finished_study, tmp_path / "study")
    (study / "features" / "fp32-s1@fp32.npz").unlink()
    handler = signal.getsignal(signal.SIGTERM)

    def note(text: str) -> None:
        if text.startswith("run "):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StudyStopped) as stop:
        run_study(out=study, device="cpu", note=note)
    assert stop.value.signum == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is handler
    assert not (study / "features" / "fp32-s1@fp32.npz").exists()
