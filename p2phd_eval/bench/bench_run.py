"""A bench from beginning to end: what `p2phd-eval bench` does, as one call."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from p2phd_eval.bench.clock import Timing, time_settings
from p2phd_eval.bench.drawing import draw_data, drawn_size
from p2phd_eval.bench.machine import Machine, describe_machine
from p2phd_eval.bench.peer import require_checkout
from p2phd_eval.bench.speed import BenchResult, settings
from p2phd_eval.config import TrainConfig
from p2phd_eval.devices import describe_device, find_device
from p2phd_eval.errors import InputError, require_whole
from p2phd_eval.generators.data.dataset import default_workers
from p2phd_eval.generators.training.precision import find_precision
from p2phd_eval.memory import memory_for
from p2phd_eval.presets import PRESETS, configure
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard

_MOST_SAMPLES = 2**31  # of a batch
_VGG = ("none", "untrained")
_ON_CUDA = ("fp32", "tf32", "amp-fp16", "amp-bf16", "fp16", "bf16")
_ELSEWHERE = ("fp32", "amp-bf16")
_USUAL = Timing()


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What a bench found, and on what."""

    result: BenchResult
    machine: Machine  # before it began
    config: TrainConfig  # shared by all rows, but for precision, batch size and switches
    data: Path | None  # None: scenes drawn for the time being
    drawn: tuple[int, int] | None  # width and height of these in pixels
    workers: int  # that loaded data


@memory_for("bench", "Measure smaller batches or networks, or use a --device with more memory.")
def bench(
    data: str | Path | None = None,
    *,
    preset: str = "512p",
    precisions: Sequence[str] = (),
    batch_sizes: Sequence[int] = (1, 2),
    variants: Sequence[str] = (),
    largest: bool = False,
    against: Path | None = None,
    timing: Timing = _USUAL,
    width: int | None = None,
    height: int | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    progress: ProgressFactory = silent,
    note: Note = unheard,
    **options: Any,
) -> Bench:
    """Time training steps in each precision, batch size and variant.

    Parameters
    ----------
    data : str or Path, optional
        A data set in pix2pixHD's layout; by default a few embedded scenes, drawn for the time being.
    preset : str
        A name of `PRESETS`.
    precisions : sequence of str
        Names of `PRECISIONS`; by default fp32 and all reduced ones on CUDA, else fp32 and amp-bf16.
    batch_sizes : sequence of int
    variants : sequence of str
        "channels-last", "compile", "deterministic": each gives rows of its own.
    largest : bool
        Also search the largest batch that fits, and time it; on CUDA.
    against : Path, optional
        Checkout of NVIDIA/pix2pixHD, for rows of its own code, which is executed.
    timing : Timing
    width, height : int, optional
        Pixels of the drawn scenes' files; by default Cityscapes' 2048 x 1024, or what the networks see.
    seed : int
    device : str or torch.device, optional
        By default cuda, mps or cpu, the first that there is.
    progress : ProgressFactory
    note : callable
        Told what goes on.
    **options
        Settings to change, named as on the command line of `train`; `vgg` is "none" or "untrained".

    Raises
    ------
    InputError
        For unusable data, settings that do not go together, a precision that the device cannot run, or a folder that
        is no checkout.
    """
    # Cheap failures first: before scenes are drawn.
    if options.get("vgg") not in (None, *_VGG):
        raise InputError(
            "--vgg", expected=" | ".join(_VGG), found=repr(options["vgg"]), fix="Weights do not change the time."
        )
    if data is not None and (width or height):
        raise InputError("--width, --height", expected="no DATA, whose files have their size", found=str(data))
    on = find_device(device)
    on_cuda = on.type == "cuda"
    names = precisions or (_ON_CUDA if on_cuda else _ELSEWHERE)
    for name in names:
        find_precision(name, on, options.get("arithmetic"))
    if against is not None:
        require_checkout(against, on)
    for size in batch_sizes:
        require_whole(1, _MOST_SAMPLES, {"--batch-sizes": size})
    rows = settings(names, batch_sizes, variants, against=against is not None)
    if data is None and preset in PRESETS:
        # The preset's networks, although the scenes have fewer classes.
        options |= {name: getattr(PRESETS[preset].data, name) for name in ("label_nc", "instances")}
    config = configure(Path(data or ""), preset, seed=seed, niter_fix_global=0, **options)

    note(f"device: {describe_device(on)}")
    if on.type == "cpu":
        note(
            "These times say nothing about a GPU: most CPUs have reduced precision emulated. "
            "A step at full size takes minutes; --preset demo takes a moment."
        )
    if largest and not on_cuda:
        note("--largest is left out: only CUDA says when its memory is full, without ending the process.")
    machine, drawn = describe_machine(on), None
    with ExitStack() as stack:
        if data is not None:
            folder = Path(data)
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="p2phd-bench-")))
            drawn = (width, width // 2) if width else drawn_size(config)
            drawn = (drawn[0], height or drawn[1])
            with progress("draw scenes", "scenes") as on_progress:
                draw_data(folder, config, drawn, on_progress=on_progress)
        with progress("bench", "starts") as on_progress:
            result = time_settings(
                config,
                folder,
                rows,
                device=on,
                timing=timing,
                largest_of=names if largest and on_cuda else (),
                against=against,
                on_progress=on_progress,
            )
    workers = config.execution.workers
    return Bench(
        result=result,
        machine=machine,
        config=config,
        data=None if data is None else folder,
        drawn=drawn,
        workers=default_workers(on) if workers is None else workers,
    )
