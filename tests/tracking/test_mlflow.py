"""MLflow's own client finds in its store what log.jsonl says, also after a resume."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.checkpoint import latest_path
from p2phd_eval.generators.training.loop import Watchers, train_networks
from p2phd_eval.images.decoding import read_rgb
from p2phd_eval.tracking.mlflow import MLflow
from p2phd_eval.tracking.tracker import Ending
from tests.tracking.tracked import curves_of_mlflow, curves_of_the_log, only_run

# As the tracker does; its tests read a store of files too.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
mlflow = pytest.importorskip("mlflow")
# Versions 3.7 to 3.12 say so of every store of files, also of the one that these tests name.
pytestmark = pytest.mark.filterwarnings("ignore:The filesystem tracking backend:FutureWarning")


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")


def client_of(folder: Path) -> Any:
    return mlflow.MlflowClient(folder.resolve().as_uri())


def run_with_mlflow(config: TrainConfig, data: Path, out: Path, *, resume: bool = False) -> None:
    tracker = MLflow(out, config, "scenes")
    watchers = Watchers(on_log=tracker.on_log, on_grid=tracker.on_grid)
    train_networks(config, data, out, device=torch.device("cpu"), resume=resume, watchers=watchers)
    tracker.close(Ending.FINISHED)


def test_the_store_holds_the_log_and_a_resumed_run_no_step_twice(
    tiny: TrainConfig, scenes: Path, tmp_path: Path
) -> None:
    config = replace(tiny, precision="amp-fp16")  # the precision with a loss scale
    run = tmp_path / "amp run"
    short = replace(config, epochs=1, epochs_decay=1)
    run_with_mlflow(short, scenes, run)
    client = client_of(run / "mlflow")
    shown = only_run(client)
    assert curves_of_mlflow(client, shown) == curves_of_the_log(run)
    after_two_epochs = latest_path(run).read_bytes()
    first = curves_of_the_log(run)["images_per_second"]

    # Interrupted by a crash: the run went on to the end, but the checkpoint on disk is the earlier one.
    run_with_mlflow(config, scenes, run, resume=True)
    to_the_end = curves_of_the_log(run)
    latest_path(run).write_bytes(after_two_epochs)
    run_with_mlflow(config, scenes, run, resume=True)
    shown = only_run(client)
    curves = curves_of_mlflow(client, shown)
    # Steps made twice stay as they were shown first; on a CPU the second time differs in speed alone.
    assert curves == to_the_end
    assert curves["losses/G_GAN"] == curves_of_the_log(run)["losses/G_GAN"]
    assert first.items() <= curves["images_per_second"].items()

    assert shown.info.run_name == "amp run"
    assert shown.info.status == "FINISHED"
    assert client.get_experiment(shown.info.experiment_id).name == "scenes"
    params = shown.data.params
    assert (params["generator.ngf"], params["precision"], params["epochs"]) == ("4", "amp-fp16", "1")
    folder = Path(client.download_artifacts(shown.info.run_id, ""))
    assert TrainConfig.from_dict(json.loads((folder / "config.json").read_text())) == config
    grids = sorted((run / "grids").iterdir())
    assert [path.name for path in sorted((folder / "samples").iterdir())] == [grid.name for grid in grids]
    for grid in grids:
        np.testing.assert_array_equal(read_rgb(folder / "samples" / grid.name), read_rgb(grid))


@pytest.mark.parametrize(
    ("ending", "status"), [(Ending.FINISHED, "FINISHED"), (Ending.STOPPED, "KILLED"), (Ending.FAILED, "FAILED")]
)
def test_scores_and_ending(tiny: TrainConfig, tmp_path: Path, ending: Ending, status: str) -> None:
    tracker = MLflow(tmp_path, tiny, "scenes")
    assert list(tmp_path.iterdir()) == []  # nothing before the first event
    tracker.on_scores(7, {"fid": 41.5, "kid": -0.001})
    client = client_of(tmp_path / "mlflow")
    assert only_run(client).info.status == "RUNNING"
    tracker.close(ending)
    shown = only_run(client)
    assert shown.info.status == status
    assert shown.info.end_time >= shown.info.start_time
    assert curves_of_mlflow(client, shown) == {"validation/fid": {7: 41.5}, "validation/kid": {7: -0.001}}


def test_a_process_that_logs_nothing_ends_the_run_of_one_that_was_killed(tiny: TrainConfig, tmp_path: Path) -> None:
    MLflow(tmp_path, tiny, "scenes").on_scores(9, {"fid": 1.0})  # and no end
    client = client_of(tmp_path / "mlflow")
    MLflow(tmp_path, tiny, "scenes").close(Ending.FAILED)  # such as: --resume was forgotten
    assert only_run(client).info.status == "RUNNING"
    MLflow(tmp_path, tiny, "scenes").close(Ending.FINISHED)
    assert only_run(client).info.status == "FINISHED"


def test_a_deleted_run_is_begun_anew(tiny: TrainConfig, tmp_path: Path) -> None:
    MLflow(tmp_path, tiny, "scenes").on_scores(1, {"fid": 1.0})
    client = client_of(tmp_path / "mlflow")
    deleted = only_run(client).info.run_id
    client.delete_run(deleted)
    MLflow(tmp_path, tiny, "scenes").on_scores(1, {"fid": 2.0})
    shown = only_run(client)
    assert shown.info.run_id != deleted
    assert curves_of_mlflow(client, shown) == {"validation/fid": {1: 2.0}}
    (tmp_path / "mlflow.json").write_text("damaged")
    MLflow(tmp_path, tiny, "scenes").on_scores(1, {"fid": 3.0})
    assert len(client.search_runs([shown.info.experiment_id])) == 2


def test_the_environment_names_store_and_experiment(
    tiny: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.as_uri())
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "ablation")
    for name in ("a", "b"):
        MLflow(tmp_path / name, tiny, "scenes").on_scores(1, {"fid": 1.0})
    client = client_of(store)
    experiment = client.get_experiment_by_name("ablation")
    assert {run.info.run_name for run in client.search_runs([experiment.experiment_id])} == {"a", "b"}
    assert not (tmp_path / "a" / "mlflow").exists()
    # Another store: another run there.
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    MLflow(tmp_path / "a", tiny, "scenes").on_scores(1, {"fid": 1.0})
    assert only_run(client_of(tmp_path / "a" / "mlflow")).info.run_name == "a"
    client.delete_experiment(experiment.experiment_id)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.as_uri())
    with pytest.raises(InputError, match=r"'ablation' was deleted; restore it"):
        MLflow(tmp_path / "c", tiny, "scenes")


def test_a_server_that_does_not_answer_is_found_before_the_training(
    tiny: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with pytest.raises(InputError, match=f"expected a tracking server or store at {address}"):
            MLflow(tmp_path, tiny, "scenes")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "gopher://x")
    with pytest.raises(InputError, match=r"MLFLOW_TRACKING_URI"):
        MLflow(tmp_path, tiny, "scenes")


def test_telemetry_is_off_by_default(tmp_path: Path) -> None:
    """In a process of its own, as the library decides when it is imported, and without what marks a CI."""
    pytest.importorskip("mlflow.telemetry")
    code = (
        "from pathlib import Path; from p2phd_eval.config import TrainConfig\n"
        "from p2phd_eval.tracking.mlflow import MLflow\n"
        "MLflow(Path('run'), TrainConfig(), 'x')\n"
        "from mlflow.telemetry import get_telemetry_client; print(get_telemetry_client())"
    )
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    process = subprocess.run([sys.executable, "-c", code], env=kept, cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == "None"


@pytest.mark.parametrize("name", ["DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY"])
def test_what_the_user_says_about_telemetry_stays(
    tiny: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for each in ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, "false")
    MLflow(tmp_path, tiny, "scenes")
    assert os.environ.get("MLFLOW_DISABLE_TELEMETRY") == (None if name == "DO_NOT_TRACK" else "false")


def test_a_missing_package_is_named(tiny: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(InputError, match=r"--track mlflow(.|\n)*pip install 'p2phd-eval\[mlflow\]'"):
        MLflow(tmp_path, tiny, "scenes")
