"""What trackers show, as the log has it and as their own libraries read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Curves = dict[str, dict[int, float]]  # values by name and step


def curves_of_the_log(run: Path) -> Curves:
    """What a tracker must show of the run's log.jsonl."""
    curves: Curves = {}
    for line in (run / "log.jsonl").read_text().splitlines():
        record = json.loads(line)
        values = {
            "learning_rate": record["lr"],
            **{name: record[name] for name in ("images_per_second", "data_wait", "peak_memory_bytes")},
            **{
                f"{group}/{name}": value
                for group in ("losses", "loss_scale", "skipped_steps")
                for name, value in record[group].items()
            },
        }
        for name, value in values.items():
            if value is not None:
                curves.setdefault(name, {})[record["step"]] = value
    return curves


def only_run(client: Any) -> Any:
    """The only MLflow run of a store."""
    experiments = [each.experiment_id for each in client.search_experiments()]
    (run,) = client.search_runs(experiments)
    return run


def curves_of_mlflow(client: Any, run: Any) -> Curves:
    """What MLflow's client finds; each step occurs once."""
    curves = {}
    for name in run.data.metrics:
        history = client.get_metric_history(run.info.run_id, name)
        curves[name] = {metric.step: metric.value for metric in history}
        assert len(curves[name]) == len(history), name
    return curves
