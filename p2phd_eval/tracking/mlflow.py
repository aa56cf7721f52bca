"""A run as MLflow shows it."""

import os
import sys
import time
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.config import TrainConfig, flat
from p2phd_eval.errors import InputError
from p2phd_eval.files import write_json
from p2phd_eval.generators.training.run_log import LogRecord
from p2phd_eval.json_files import read_json_or_none
from p2phd_eval.tracking.tracker import Ending, missing_package, scalars, validation_scalars

_STATUS = {Ending.FINISHED: "FINISHED", Ending.STOPPED: "KILLED", Ending.FAILED: "FAILED"}
# MLflow reports its use to its makers unless one of these is set.
_TELEMETRY = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
# A server that is away may delay a training by seconds; by default MLflow tries again for minutes.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


class MLflow:
    """Writes the configuration, the log, the grids, scores and the ending of a run to MLflow.

    To the server or store that MLFLOW_TRACKING_URI names, else to files in `<run>/mlflow`; into the experiment that
    MLFLOW_EXPERIMENT_NAME names. The MLflow run is begun with the first event. `<run>/mlflow.json` keeps its id: a
    resumed training goes on in it, and logs of each curve only the steps after the last one there.

    Telemetry of the library is switched off unless the environment says something about it.

    `run`: the run folder; the MLflow run has its name. `config`: its values become parameters, nested ones as
    "generator.ngf". `experiment`: name of the experiment where the environment names none. Raises `InputError` if the
    package mlflow-skinny (or mlflow) is missing, or the server does not answer.
    """

    def __init__(self, run: Path, config: TrainConfig, experiment: str) -> None:
        if not any(name in os.environ for name in _TELEMETRY):
            os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        try:
            import mlflow
        except ImportError as error:
            raise missing_package("mlflow", error) from error
        self._mlflow: Any = mlflow
        self._run, self._config = run, config
        self._experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or experiment
        self._local = not self._mlflow.is_tracking_uri_set()
        self._uri = (run / "mlflow").resolve().as_uri() if self._local else self._mlflow.get_tracking_uri()
        self._id: str | None = None  # the MLflow run's id, once it is begun
        self._resumed = False  # whether it was begun by an earlier process
        self._last: dict[str, int] = {}  # newest step of each curve
        if not self._local:
            # The cheap failure first. Of a local store nothing is written before the run folder is known to be usable.
            try:
                self._experiment_id()
            except Exception as error:
                raise InputError(
                    "--track mlflow",
                    expected=f"a tracking server or store at {self._uri}",
                    found=f"{type(error).__name__}: {error}",
                    fix="Mend MLFLOW_TRACKING_URI, or unset it: then files go to the run folder. A database takes "
                    "the whole package: pip install mlflow",
                ) from error

    def on_log(self, record: LogRecord) -> None:
        """Write a line of the log: a metric each number, under the names that TensorBoard has too."""
        self._write(record.step, scalars(record))

    def on_grid(self, step: int, picture: npt.NDArray[np.uint8]) -> None:
        """Write a picture of shape (H, W, 3) as an artifact."""
        self._begin()
        self._client.log_image(self._id, picture, f"samples/step_{step:08d}.png")

    def on_scores(self, step: int, scores: Mapping[str, float]) -> None:
        """Write the scores of a validation."""
        self._write(step, validation_scalars(scores))

    def close(self, ending: Ending) -> None:
        """Write how the run ended; that of an earlier process, too, which was killed after its last step."""
        if self._id is None and (ending is Ending.FAILED or self._earlier() is None):
            return
        self._begin()
        # It prints the address of the run to stdout, which is for results.
        with redirect_stdout(sys.stderr):
            self._client.set_terminated(self._id, _STATUS[ending])

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        self._begin()
        now = int(time.time() * 1000)
        new = {name: value for name, value in values.items() if step > self._last_step(name)}
        if new:
            metric = self._mlflow.entities.Metric
            self._client.log_batch(self._id, metrics=[metric(name, value, now, step) for name, value in new.items()])
            self._last |= dict.fromkeys(new, step)

    def _last_step(self, name: str) -> int:
        if name not in self._last:
            history = self._client.get_metric_history(self._id, name) if self._resumed else []
            self._last[name] = max((metric.step for metric in history), default=-1)
        return self._last[name]

    def _begin(self) -> None:
        if self._id is not None:
            return
        config = self._config.to_dict()
        found = self._earlier()
        if found is None:
            run = self._client.create_run(self._experiment_id(), run_name=self._run.resolve().name)
            found = run.info.run_id
            write_json(self._stored, {"tracking_uri": self._uri, "run_id": found})
            # Parameters cannot be changed: they are those with which the run began.
            param = self._mlflow.entities.Param
            self._client.log_batch(found, params=[param(name, str(value)) for name, value in flat(config).items()])
        else:
            self._client.update_run(found, status="RUNNING")
            self._resumed = True
        self._client.log_dict(found, config, "config.json")
        self._id = found

    @property
    def _stored(self) -> Path:
        return self._run / "mlflow.json"

    def _earlier(self) -> str | None:
        """The MLflow run that this training began before; None if there is none, or it was deleted."""
        stored = read_json_or_none(dict[str, str], self._stored) or {}
        known = stored.get("run_id") if stored.get("tracking_uri") == self._uri else None
        if known is None:
            return None
        try:
            active = self._client.get_run(known).info.lifecycle_stage == "active"
        except self._mlflow.exceptions.MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return str(known) if active else None

    @cached_property
    def _client(self) -> Any:
        if not self._local:
            return self._mlflow.MlflowClient(self._uri)
        # This one of MLflow's stores needs no database library. MLflow warns that it is in maintenance
        # (3.7 to 3.12), or asks for this variable (from then on).
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return self._mlflow.MlflowClient(self._uri)

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        if found is None:
            try:
                return str(self._client.create_experiment(self._experiment))
            except self._mlflow.exceptions.MlflowException:
                # Runs that begin side by side: another one was first.
                found = self._client.get_experiment_by_name(self._experiment)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise ValueError(f"the experiment {self._experiment!r} was deleted; restore it, or name another one")
        return str(found.experiment_id)
