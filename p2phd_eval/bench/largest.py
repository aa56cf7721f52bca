"""The largest batch that fits into a device's memory."""

from collections.abc import Sequence
from contextlib import ExitStack

import torch

from p2phd_eval.bench.speed import LargestBatch, Setting, largest_that_fits
from p2phd_eval.bench.stage import Stage, Trainee
from p2phd_eval.generators.data.batch import Batch, collate
from p2phd_eval.memory import memory_of

_STEPS = 2  # the first makes the optimizers' state, beside which the second has to fit
_USABLE = 0.95  # share of the memory that tensors fill, about; the rest are libraries, and gaps between blocks


def largest_batch(stage: Stage, precision: str, samples: Sequence[Batch]) -> LargestBatch:
    """Search the largest batch of which training steps fit, by taking them.

    `stage`: on a CUDA device: elsewhere too large a batch ends the process. `samples`: batches of one sample each, on
    the CPU; repeated in larger batches.
    """
    with ExitStack() as networks:
        trainee: Trainee | None = None
        peaks = dict[int, int]()  # bytes of a step that fitted, by batch size

        def attempt(size: int) -> str | None:
            nonlocal trainee
            if trainee is None:
                trainee = networks.enter_context(stage.trainee(Setting(precision=precision, batch_size=1)))
            reason = _failure(stage, trainee, collate([samples[i % len(samples)] for i in range(size)]))
            if reason is not None:
                # It stopped in the middle of a step.
                trainee = None
                networks.close()
            else:
                peaks[size] = stage.peak_bytes() or 0
            stage.clear()
            return reason

        def guess() -> int:
            room, sample = memory_of(stage.device), peaks[2] - peaks[1]
            return 1 + int(_USABLE * room - peaks[1]) // sample if room is not None and sample > 0 else 4

        size, reason = largest_that_fits(attempt, guess)
        trainee = None
    stage.clear()
    return LargestBatch(precision=precision, batch_size=size, reason=reason)


def _failure(stage: Stage, trainee: Trainee, batch: Batch) -> str | None:
    """Return why steps on the batch fail; None if they do not."""
    try:
        for _ in range(_STEPS):
            stage.forget_peak()  # autotuning tries algorithms that need more
            trainee.step(batch.to(stage.device))
        stage.wait()
    except torch.OutOfMemoryError:
        return "out of memory"
    except RuntimeError as error:
        # Some kernels count elements in 32 bits, and cuDNN has its own words for too little memory.
        if len(batch.label) == 1:
            raise
        return str(error).partition("\n")[0]
    return None
