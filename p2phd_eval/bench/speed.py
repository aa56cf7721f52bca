"""What a bench measured, and the ratios that it is for."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from p2phd_eval.errors import InputError

PLAIN, ORIGINAL = "plain", "original"
SWITCHES = ("channels-last", "compile", "deterministic")
"""The other variants: what `ExecutionConfig` can switch on, each by itself."""

# What a talk by pix2pixHD's author reported for apex's AMP on one V100, with one image a batch and then two.
_TALK_SAME_BATCH, _TALK_TWICE_THE_BATCH = 1.8, 2.25

_LARGEST_TRIED = 4096  # samples

MOST_WAITING = 0.05  # share of a step beyond which the figures are those of the data loading


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What one row of the table stands for."""

    precision: str  # a name of `precision.PRECISIONS`
    batch_size: int
    variant: str = PLAIN  # or one of SWITCHES, or ORIGINAL: NVIDIA's code

    def __post_init__(self) -> None:
        variants = (PLAIN, ORIGINAL, *SWITCHES)
        if self.variant not in variants:
            raise InputError("variant", expected=" | ".join(variants), found=repr(self.variant))

    def __str__(self) -> str:
        variant = "" if self.variant == PLAIN else f", {self.variant}"
        return f"{self.precision}{variant}, batch {self.batch_size}"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The steps of one setting, each timed with the device idle before and after."""

    setting: Setting
    seconds: tuple[float, ...] = ()  # each step's, with the wait for its batch; none where the memory is too small
    waited: tuple[float, ...] = ()  # seconds of each step in which it waited for its batch
    arithmetic: str = "native"  # or "emulated", whose time says nothing about the precision's
    peak_memory_bytes: int | None = None  # allocated on a CUDA device by a step at most; None elsewhere
    loss_scale: dict[str, float | None] = field(default_factory=dict)  # for G and D in the end; empty for the original
    skipped_steps: dict[str, int] = field(default_factory=dict)  # for G and D, among those timed

    @property
    def median(self) -> float:
        """Seconds a step; NaN where it did not fit."""
        return statistics.median(self.seconds) if self.seconds else float("nan")

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile of the seconds a step; half of all steps took as long as between them."""
        if len(self.seconds) < 2:
            return self.median, self.median
        first, _, third = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return first, third

    @property
    def images_per_second(self) -> float:
        """Images a second, at the median."""
        return self.setting.batch_size / self.median

    @property
    def data_wait(self) -> float:
        """Share of the time in which steps waited for their batch, in [0, 1]."""
        return sum(self.waited) / sum(self.seconds) if self.seconds else 0.0


@dataclass(frozen=True, kw_only=True)
class LargestBatch:
    """How many samples of one precision fit into the device's memory at once."""

    precision: str
    batch_size: int  # 0: not even one
    reason: str  # why one more does not fit


@dataclass(frozen=True, kw_only=True)
class SpeedRatio:
    """One measured time or memory divided by another."""

    name: str
    value: float
    interval: tuple[float, float] | None  # if both medians were at their quartiles, apart and together
    talk: float | None = None  # what the talk reported (see _TALK_SAME_BATCH)


@dataclass(frozen=True, kw_only=True)
class BenchResult:
    """All that a bench found."""

    measurements: tuple[Measurement, ...]
    largest: tuple[LargestBatch, ...]
    width: int  # how wide the networks' input is, in pixels
    height: int

    @property
    def waits_for_data(self) -> list[Measurement]:
        """The measurements that are too much those of the data loading."""
        return [row for row in self.measurements if row.data_wait > MOST_WAITING]

    def find(self, precision: str, batch_size: int, variant: str = PLAIN) -> Measurement | None:
        """Return the measurement of a setting; None where there is none, or it did not fit."""
        wanted = Setting(precision=precision, batch_size=batch_size, variant=variant)
        return next((row for row in self.measurements if row.setting == wanted and row.seconds), None)

    def against_plain(self, row: Measurement) -> SpeedRatio | None:
        """Return how many times faster a row is than the same precision and batch without a switch, in our code."""
        plain = self.find(row.setting.precision, row.setting.batch_size)
        if plain is None or plain is row or not row.seconds:
            return None
        return _speedup(f"{row.setting} against {PLAIN}", plain, row)

    def ratios(self) -> list[SpeedRatio]:
        """Return each AMP precision's ratios to fp32 in time and memory, and the original's to ours."""
        found: list[SpeedRatio | None] = []
        sizes = sorted({row.setting.batch_size for row in self.measurements})
        precisions = list(dict.fromkeys(row.setting.precision for row in self.measurements))
        base, one = self.find("fp32", sizes[0]), sizes[0]
        for amp in (name for name in precisions if name.startswith("amp-")):
            same, twice = self.find(amp, one), self.find(amp, 2 * one)
            found += [
                _speedup(f"{amp} against fp32, same batch ({one})", base, same, _TALK_SAME_BATCH),
                _speedup(
                    f"{amp} with twice the batch ({2 * one}) against fp32, per image",
                    base,
                    twice,
                    _TALK_TWICE_THE_BATCH,
                ),
                _memory(f"{amp} against fp32, same batch ({one}), peak memory", base, same),
            ]
        for size in sizes:
            ours, original = self.find("fp32", size), self.find("fp32", size, ORIGINAL)
            found += [
                _speedup(f"ours against the original, fp32, batch {size}", original, ours),
                _memory(f"ours against the original, fp32, batch {size}, peak memory", original, ours),
            ]
        return [ratio for ratio in found if ratio is not None]


def _speedup(
    name: str, slow: Measurement | None, fast: Measurement | None, talk: float | None = None
) -> SpeedRatio | None:
    """Return by how much more images a second the second one makes."""
    if slow is None or fast is None:
        return None
    images = fast.setting.batch_size / slow.setting.batch_size
    low, high = slow.quartiles
    return SpeedRatio(
        name=name,
        value=images * slow.median / fast.median,
        interval=(images * low / fast.quartiles[1], images * high / fast.quartiles[0]),
        talk=talk,
    )


def _memory(name: str, before: Measurement | None, after: Measurement | None) -> SpeedRatio | None:
    if before is None or after is None or not before.peak_memory_bytes or not after.peak_memory_bytes:
        return None
    return SpeedRatio(name=name, value=after.peak_memory_bytes / before.peak_memory_bytes, interval=None)


def settings(
    precisions: Sequence[str], batch_sizes: Sequence[int], variants: Sequence[str], *, against: bool
) -> list[Setting]:
    """Return the rows of a bench in the order of its table; the original's are fp32."""
    ours = [
        Setting(precision=precision, batch_size=size, variant=variant)
        for precision in precisions
        for size in batch_sizes
        for variant in (PLAIN, *variants)
    ]
    theirs = [Setting(precision="fp32", batch_size=size, variant=ORIGINAL) for size in batch_sizes] if against else []
    return theirs + ours


def largest_that_fits(attempt: Callable[[int], str | None], guess: Callable[[], int] | None = None) -> tuple[int, str]:
    """Return the largest batch size that fits, and why the next one does not, by doubling and then bisection.

    `attempt`: takes a batch size and returns None, or why it does not fit; then no larger one fits either. `guess`:
    asked once 2 fit; it says where to look on, in steps of 1, 2, 4 ... from there, instead of doubling.
    """
    fits, fails, reason, stride = 0, 0, "", 0
    while not fails or fails - fits > 1:
        if fits == _LARGEST_TRIED:
            return fits, "no larger one was tried"
        upwards = not fails
        if guess is not None and upwards and fits == 2:
            size, stride, guess = max(3, guess()), 1, None
        elif stride:
            size, stride = fits + stride if upwards else max(fits + 1, fails - stride), 2 * stride
        else:
            size = max(1, 2 * fits) if upwards else (fits + fails) // 2
        size = min(size, _LARGEST_TRIED)
        failure = attempt(size)
        if failure is None:
            fits = size
        else:
            fails, reason = size, failure
        if stride > 1 and upwards == (failure is not None):
            stride = 0  # it lies between the last two: bisection is next
    return fits, reason
