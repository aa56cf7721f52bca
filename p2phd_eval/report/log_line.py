"""One line of text for a line of a run's log."""

from __future__ import annotations

from p2phd_eval.generators.training.run_log import LogRecord


def log_line(record: LogRecord) -> str:
    """Return epoch, step, losses, rate, scales, skipped steps, speed and the share of waiting for data."""
    losses = "  ".join(
        f"{name} {value:.3f}" if value is not None else f"{name} overflow" for name, value in record.losses.items()
    )
    scales = "".join(f"  scale {name} {scale:g}" for name, scale in record.loss_scale.items() if scale is not None)
    skipped = "".join(f"  skipped {name} {count}" for name, count in record.skipped_steps.items() if count)
    return (
        f"epoch {record.epoch}  step {record.step}  {losses}  lr {record.lr:.2e}{scales}{skipped}"
        f"  {record.images_per_second:.3g} images/s  waiting for data {record.data_wait:.1%}"
    )
