"""What each way of generation costs, to stand beside what it does to the images."""

import statistics
from collections.abc import Iterable

from msgspec import UNSET
from rich.filesize import decimal

from p2phd_eval.formatting import number_text
from p2phd_eval.report.console import NOTHING
from p2phd_eval.report.documents.study_documents import GenerationCost, ReportDocument

#: What `cost_texts` are.
COSTS = ("images/s", "peak memory", "size")
ABOUT_COSTS = (
    "Images a second are of the networks while they generate, without the start; size is that of the ONNX graph, or of "
    "the generator's weights in the checkpoint."
)


def generation_costs(report: ReportDocument) -> dict[tuple[str, str], GenerationCost]:
    """Return what generating cost, by arm and precision or engine, the common one first: medians of an arm's runs."""
    found = {}
    for arm in report.arms:
        runs = [speed.generation for speed in report.speeds_of(arm) if speed.generation is not UNSET]
        for precision in dict.fromkeys(name for each in runs for name in each):
            costs = [each[precision] for each in runs if precision in each]
            found[arm, precision] = GenerationCost(
                images_per_second=median_of_known(each.images_per_second for each in costs),
                peak_memory_bytes=_whole(median_of_known(each.peak_memory_bytes for each in costs)),
                generator_bytes=_whole(median_of_known(each.generator_bytes for each in costs)),
            )
    return found


def cost_texts(cost: GenerationCost) -> tuple[str, ...]:
    """Return images a second, peak memory and size in words."""
    rate, peak, size = cost.images_per_second, cost.peak_memory_bytes, cost.generator_bytes
    return (
        NOTHING if rate is None else number_text(rate),
        NOTHING if peak is None else f"{peak / 2**30:.2f} GiB",
        NOTHING if size is None else decimal(size),
    )


def median_of_known(values: Iterable[float | None]) -> float | None:
    """Return the median of those numbers that are there; None where none is."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
