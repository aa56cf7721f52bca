"""What a training would be, as tables."""

from p2phd_eval.config import TrainConfig, flat
from p2phd_eval.generators.training.estimate import Estimate
from p2phd_eval.report.console import NOTHING, ResultTable

_NETWORKS = {"G": "generator", "D": "discriminators", "E": "encoder", "VGG": "VGG19 (not trained)"}


def dry_run_tables(config: TrainConfig, estimate: Estimate, *, n_samples: int) -> list[ResultTable]:
    """Return the tables of configuration, schedule, networks and memory; `n_samples` is the size of the data set."""
    width, height = estimate.size
    steps = n_samples // config.batch_size
    return [
        ResultTable(
            title="Configuration",
            columns=("setting", "value"),
            rows=tuple(
                (key, NOTHING if value is None else str(value)) for key, value in flat(config.to_dict()).items()
            ),
        ),
        ResultTable(
            title="Schedule",
            columns=("quantity", "value"),
            rows=(
                ("training samples", f"{n_samples}"),
                ("steps an epoch", f"{steps}"),
                ("epochs", f"{config.epochs} at the constant rate, {config.epochs_decay} of decay"),
                ("steps", f"{steps * config.total_epochs}"),
            ),
        ),
        ResultTable(
            title="Networks",
            columns=("network", "parameters"),
            rows=tuple((_NETWORKS[name], f"{count:,}") for name, count in estimate.parameters.items()),
        ),
        ResultTable(
            title=f"Expected memory of a step in {config.precision}, of each rank",
            columns=("at its peak", "memory"),
            rows=(
                ("weights", _memory(estimate.weights)),
                ("gradients", _memory(estimate.gradients)),
                ("optimizer state", _memory(estimate.optimizer)),
                ("activations and the rest", _memory(estimate.activations)),
                ("total", _memory(estimate.total)),
            ),
            notes=(
                *([] if estimate.gradients else ["The peak comes before there is any gradient of weights."]),
                f"Images at once: {estimate.samples}, of {width} x {height} pixels. The workspaces of cuDNN, the CUDA "
                "context and what the allocator keeps beyond come on top.",
            ),
        ),
    ]


def _memory(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.2f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.1f} MiB"
