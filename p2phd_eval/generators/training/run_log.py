"""The log of a run: JSON lines, one a logged step, that a resumed run continues without a gap or a double."""

import dataclasses
import json
import math
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from p2phd_eval.errors import InputError
from p2phd_eval.files import atomic_write
from p2phd_eval.json_files import decode_json_as, read_json_lines

_MEND = "Mend the line, or delete it."
_Count = Annotated[int, Meta(ge=0)]
_Number = Annotated[float, Meta(ge=-1e100, le=1e100)]  # more than float32 holds, less than what overflows in a plot


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogRecord:
    """One line of `log.jsonl`."""

    step: _Count  # finished steps
    epoch: int  # counted from 1
    losses: dict[str, _Number | None]  # at this step, weights included; None where it overflowed
    lr: float  # learning rate of this step
    loss_scale: dict[str, _Number | None]  # for G and D; None without loss scaling
    skipped_steps: dict[str, _Count]  # for G and D, because of overflow, since the run began
    images_per_second: Annotated[float, Meta(ge=0)]  # over all ranks, since the line before
    data_wait: float  # share of that time in which the step waited for the data of its batch, in [0, 1]
    peak_memory_bytes: _Count | None  # allocated on a CUDA device since the process began; None elsewhere


class RunLog:
    """Appends records to `log.jsonl`.

    `step`: finished steps; later lines, which an interrupted run wrote after its last checkpoint, are removed, and what
    is no record.
    """

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        lines = path.read_bytes().splitlines() if path.exists() else []
        kept = [line for line in lines if _step_of(line) <= step]
        with atomic_write(path) as stream:
            stream.writelines(line + b"\n" for line in kept)
        self.first = _record(kept[0]) if kept else None  # the oldest record when the run went on
        self.last = _record(kept[-1]) if kept else None  # the newest record
        self._images, self._waited, self._since = 0, 0.0, time.perf_counter()

    def count(self, images: int, waited: float) -> None:
        """Count images that were trained on and the seconds in which the step waited for them."""
        self._images += images
        self._waited += waited

    def rates(self) -> tuple[float, float]:
        """Return images a second and the share of waiting since they were last asked for.

        Beside a GPU, which works through what is queued while the program waits, the share is an upper bound.
        """
        now = time.perf_counter()
        seconds = max(now - self._since, 1e-9)
        rates = self._images / seconds, min(self._waited / seconds, 1.0)
        self._images, self._waited, self._since = 0, 0.0, now
        return rates

    def write(self, record: LogRecord) -> None:
        """Append one line; it is on its way to the disk when this returns."""
        with self._path.open("a") as stream:
            stream.write(json.dumps(dataclasses.asdict(record), allow_nan=False) + "\n")
        self.last = record


def read_log(path: Path) -> list[LogRecord]:
    """Return all lines of a log; none where there is no file: the run failed before its first step.

    Steps rise from line to line, and all lines have the same losses, scales and counts.

    Raises `InputError` if a line is damaged.
    """
    if not path.exists():
        return []
    lines = read_json_lines(LogRecord, path, expected="a line of JSON for each logged step", fix=_MEND)
    for key in ("losses", "loss_scale", "skipped_steps"):
        names = [tuple(sorted(getattr(line, key))) for line in lines]
        usual = Counter(names).most_common(1)[0][0] if names else ()
        for number, found in enumerate(names, start=1):
            if found != usual:
                expected = f"those of the other lines: {', '.join(usual) or 'none'}"
                where = f"{path}, line {number}, {key}"
                raise InputError(where, expected=expected, found=", ".join(found) or "none", fix=_MEND)
    for number, (before, line) in enumerate(pairwise(lines), start=2):
        if line.step <= before.step:
            expected = f"one after {before.step}, as a log goes on"
            raise InputError(f"{path}, line {number}, step", expected=expected, found=str(line.step), fix=_MEND)
    return lines


def last_step(path: Path) -> int:
    """Return the last step of a log, whatever else is in it; 0 where there is none."""
    if not path.exists():
        return 0
    steps = (_step_of(line) for line in path.read_text(errors="replace").splitlines())
    return max((int(step) for step in steps if math.isfinite(step)), default=0)


def finite_or_none(value: float) -> float | None:
    """Return `value`, or None where JSON has no number for it."""
    return value if math.isfinite(value) else None


def _step_of(line: bytes | str) -> float:
    record = _record(line)
    return math.inf if record is None else record.step


def _record(line: bytes | str) -> LogRecord | None:
    # A line that a kill cut short is no record, and goes.
    try:
        return decode_json_as(LogRecord, line, "log", expected="a record")
    except InputError:
        return None


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
