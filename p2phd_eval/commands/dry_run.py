"""What `train --dry-run` prints instead of training."""

from __future__ import annotations

from pathlib import Path

from p2phd_eval.config import TrainConfig
from p2phd_eval.generators.data.dataset import training_set
from p2phd_eval.generators.training.estimate import estimate
from p2phd_eval.report.console import Output
from p2phd_eval.report.tables.dry_run_tables import dry_run_document, dry_run_tables


def dry_run(config: TrainConfig, data: Path, ranks: int, output: Output) -> None:
    """Print configuration, schedule, parameters and expected memory; nothing is written or trained.

    The data set is looked through, and its first sample gives the size of the images.
    """
    dataset = training_set(config, data)
    label = dataset[(1, 0)].label
    expected = estimate(config, (label.shape[-1], label.shape[-2]), ranks)
    for table in dry_run_tables(config, expected, n_samples=len(dataset)):
        output.table(table)
    output.document(dry_run_document(config, expected, n_samples=len(dataset)))
