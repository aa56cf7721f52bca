"""A training from beginning to end: what `p2phd-eval train` does, as one call."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from p2phd_eval.config import TrainConfig
from p2phd_eval.devices import describe_device, find_device
from p2phd_eval.distributed import Ranks, local_device, ranks_from_environment
from p2phd_eval.errors import InputError
from p2phd_eval.features.weights.index import require_there
from p2phd_eval.generators.data.dataset import training_set
from p2phd_eval.generators.training.estimate import Estimate, estimate
from p2phd_eval.generators.training.loop import TrainResult, train_networks
from p2phd_eval.generators.training.precision import PRECISIONS, amp_name, settle_arithmetic
from p2phd_eval.locks import hold_folder
from p2phd_eval.presets import configure
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard
from p2phd_eval.runs.held_out import HeldOut
from p2phd_eval.runs.watching import watch
from p2phd_eval.tracking.tracker import Ending
from p2phd_eval.tracking.trackers import open_trackers


def train(
    data: str | Path,
    out: str | Path,
    *,
    preset: str | TrainConfig = "512p",
    amp: bool = False,
    precision: str | None = None,
    seed: int | None = None,
    resume: bool = False,
    device: str | torch.device | None = None,
    track: Sequence[str] = (),
    validation_phase: str = "val",
    feature_weights: str | Path | None = None,
    progress: ProgressFactory = silent,
    note: Note = unheard,
    **options: Any,
) -> TrainResult:
    """Train a pix2pixHD on `<data>/train_*` and write a run folder.

    Under torchrun the processes share each batch; the first alone writes and tells.

    Parameters
    ----------
    data : str or Path
        A data set in pix2pixHD's layout.
    out : str or Path
        The run folder: `config.json`, `log.jsonl`, `checkpoints/latest.pt`, `grids/*.png`.
    preset : str or TrainConfig
        Settings to start from: a name of `PRESETS`, or a configuration of your own.
    amp : bool
        Automatic mixed precision: amp-fp16 on CUDA, amp-bf16 elsewhere.
    precision, seed : optional
        A name of `PRECISIONS` instead of `amp`, and the seed; by default the preset's, fp32 and 0.
    resume : bool
        Continue from the folder's checkpoint; without one, start.
    device : str or torch.device, optional
        By default cuda, mps or cpu, the first that there is.
    track : str or sequence of str
        Trackers that are told, too: "tensorboard", "mlflow".
    validation_phase : str
        The held-out part, whose photos are compared with samples every `validate_every` epochs.
    feature_weights : str or Path, optional
        Inception weights for that; by default those of the cache, fetched if need be.
    progress : ProgressFactory
    note : callable
        Told what goes on, a sentence or a line of the log at a time.
    **options
        Settings to change, named as on the command line: `epochs=20` is `--epochs 20`.

    Returns
    -------
    TrainResult
        `stopped_by` is set where SIGINT or SIGTERM ended the training early, the state saved.

    Raises
    ------
    InputError
        For settings that do not go together; unusable data; a folder that holds a run already (without `resume`) or
        a run of another configuration (with it); a folder that another process trains into; a tracker that cannot be
        reached; a full disk.
    DivergenceError
        For a loss that is not finite although nothing scales it, or a loss scale that has fallen to nothing.
    """
    require_there("--feature-weights", feature_weights)
    data, out = Path(data), Path(out)
    changes = {"precision": precision, "seed": seed, **options}
    with (
        _begun(data, out, preset, changes, amp=amp, device=device, note=note) as (config, on, ranks),
        hold_folder(out) if ranks.is_first else nullcontext(),
    ):
        held_out = None
        if config.validate_every and ranks.is_first:
            weights = None if feature_weights is None else Path(feature_weights)
            held_out = HeldOut(config, data, validation_phase, out, device=on, weights=weights, progress=progress)
        names = track if ranks.is_first else ()
        trackers = open_trackers(names, out, config, experiment=data.resolve().name, note=note)
        with trackers, progress("train", "steps") as on_progress:
            watchers = watch(
                trackers, note=note, on_progress=on_progress, source=config.load_pretrain, held_out=held_out
            )
            result = train_networks(
                config, data, out, device=on, ranks=ranks, resume=resume, watchers=watchers, progress=progress
            )
            trackers.end(Ending.FINISHED if result.stopped_by is None else Ending.STOPPED)
    return result


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a training would be."""

    config: TrainConfig
    n_samples: int
    estimate: Estimate  # what parameters and memory it takes


def dry_run(
    data: str | Path,
    out: str | Path,
    *,
    preset: str | TrainConfig = "512p",
    amp: bool = False,
    device: str | torch.device | None = None,
    note: Note = unheard,
    **options: Any,
) -> DryRun:
    """Return what `train` would do with the same arguments; nothing is written or trained.

    The data set is looked through, and its first sample gives the size of the images.
    """
    data = Path(data)
    with _begun(data, Path(out), preset, options, amp=amp, device=device, note=note) as (config, on, ranks):
        config = settle_arithmetic(config, on)
        dataset = training_set(config, data)
        expected = estimate(config, dataset.size_of((1, 0)), ranks.size)
    return DryRun(config=config, n_samples=len(dataset), estimate=expected)


@contextmanager
def _begun(
    data: Path,
    out: Path,
    preset: str | TrainConfig,
    options: dict[str, Any],
    *,
    amp: bool,
    device: str | torch.device | None,
    note: Note,
) -> Iterator[tuple[TrainConfig, torch.device, Ranks]]:
    """Settle configuration, device and ranks, and say so."""
    on = local_device(find_device(device))
    if amp and options.get("precision") is not None:
        raise InputError("--amp", expected="--amp or --precision", found="both", fix="Leave one out.")
    if options.get("vgg") == "untrained":
        raise InputError("--vgg untrained", expected="none, torchvision or a file", found="weights for timing alone")
    config = configure(data, preset, **(options | {"precision": amp_name(on)} if amp else options))
    with ranks_from_environment(on) as ranks:
        if ranks.is_first:
            spread = f", {ranks.size} ranks" if ranks.size > 1 else ""
            note(f"device: {describe_device(on)}{spread}, precision: {config.precision}, run folder: {out}")
            reduced = [each.name for each in PRECISIONS.values() if not each.full]
            if on.type == "cpu" and config.precision in reduced:
                note("A CPU shows the quality of reduced precision, not its speed.")
        yield config, on, ranks
