"""The document of `bench`, which is also a part of a study's report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct, UnsetType, field

from p2phd_eval.bench.speed import MOST_WAITING, BenchResult, LargestBatch, Measurement, SpeedRatio
from p2phd_eval.report.documents.document import Document, from_result

if TYPE_CHECKING:
    from p2phd_eval.bench.machine import Machine


class TimedData(Struct, frozen=True, kw_only=True):
    """Where the samples came from."""

    folder: str | None  # None: scenes that were drawn
    width: int | UnsetType = UNSET  # the width of drawn scenes, pixels
    height: int | UnsetType = UNSET


class TimedSteps(Struct, frozen=True, kw_only=True):
    """How often it was timed."""

    warm_up: int
    steps: int
    repeats: int


class InputSize(Struct, frozen=True, kw_only=True):
    """The input of the networks, pixels."""

    width: int
    height: int


class BenchRow(Struct, frozen=True, kw_only=True):
    """One setting; the times are None where it does not fit into memory."""

    precision: str
    batch_size: int
    variant: str
    arithmetic: str | UnsetType = UNSET  # "native" or "emulated"; of an earlier version unknown
    fits: bool
    seconds_median: float | None  # half of all steps took less
    seconds_quartiles: tuple[float, float] | None
    images_per_second: float | None
    against_plain: float | None  # times faster than the same without a switch
    peak_memory_bytes: int | None
    loss_scale: dict[str, float | None]
    skipped_steps: dict[str, int]
    data_wait: float | None  # share of the time
    seconds: tuple[float, ...]  # what each step took
    seconds_waited: tuple[float, ...]  # what each step waited for its data


class BenchDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/bench"):
    """What `bench` measured, or a study before its runs, which has neither preset nor timing."""

    date: str
    device: str
    processor: str
    cores: int | None
    threads: int
    load: float | None
    gomp_spincount: str | None = field(name="GOMP_SPINCOUNT")
    versions: dict[str, str | None]
    preset: str | UnsetType = UNSET
    config: dict[str, Any]
    data: TimedData
    timing: TimedSteps | UnsetType = UNSET
    input: InputSize
    rows: tuple[BenchRow, ...]
    ratios: tuple[SpeedRatio, ...]
    largest: tuple[LargestBatch, ...]
    most_waiting: float  # share of waiting for data above which the command fails


def bench_document(result: BenchResult, machine: Machine, **asked: Any) -> BenchDocument:
    """Return the document of a bench; `asked` is what was to be measured: config and data, preset and timing."""
    return from_result(
        BenchDocument,
        machine,
        **asked,
        input=InputSize(width=result.width, height=result.height),
        rows=tuple(_row(result, row) for row in result.measurements),
        ratios=tuple(result.ratios()),
        largest=result.largest,
        most_waiting=MOST_WAITING,
    )


def _row(result: BenchResult, row: Measurement) -> BenchRow:
    fits = bool(row.seconds)
    against = result.against_plain(row)
    return from_result(
        BenchRow,
        row,
        precision=row.setting.precision,
        batch_size=row.setting.batch_size,
        variant=row.setting.variant,
        fits=fits,
        seconds_median=row.median if fits else None,
        seconds_quartiles=row.quartiles if fits else None,
        images_per_second=row.images_per_second if fits else None,
        against_plain=None if against is None else against.value,
        data_wait=row.data_wait if fits else None,
        seconds_waited=row.waited,
    )
