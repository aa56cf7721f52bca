"""The result of `bench` as tables."""

from p2phd_eval.bench.speed import MOST_WAITING, BenchResult, Measurement
from p2phd_eval.report.console import NOTHING, ResultTable


def bench_tables(result: BenchResult, title: str) -> list[ResultTable]:
    """Return the tables of all settings, of the ratios and of the largest batches, as far as there are any."""
    emulated = any(row.arithmetic == "emulated" for row in result.measurements)
    tables = [
        ResultTable(
            title=title,
            columns=(
                *("precision", "variant", "batch", "s/step", "quartiles", "images/s", "against plain"),
                *("peak memory", "loss scale", "skipped", "waiting for data"),
            ),
            rows=tuple(_row(result, row) for row in result.measurements),
            notes=(
                "s/step: median of all steps timed, from asking for the batch until both updates are done.",
                "Loss scale, after the last step, and skipped steps: of generator and discriminators.",
                *(["Emulated: quality as on tensor cores, speed not."] if emulated else []),
            ),
        )
    ]
    if ratios := result.ratios():
        tables.append(
            ResultTable(
                title="Times faster (of memory: share)",
                columns=("ratio", "here", "range", "reported"),
                rows=tuple(
                    (
                        ratio.name,
                        f"{ratio.value:.2f}",
                        NOTHING if ratio.interval is None else "{:.2f} .. {:.2f}".format(*ratio.interval),
                        NOTHING if ratio.talk is None else f"{ratio.talk:g}",
                    )
                    for ratio in ratios
                ),
                notes=(
                    "Range: with the medians moved to their quartiles, towards each other and apart.",
                    "Reported: in a talk by pix2pixHD's author, for apex's AMP on a V100.",
                ),
            )
        )
    if result.largest:
        tables.append(
            ResultTable(
                title="Largest batch that fits",
                columns=("precision", "samples", "one more"),
                rows=tuple((row.precision, str(row.batch_size), row.reason) for row in result.largest),
            )
        )
    return tables


def waiting_message(rows: list[Measurement], workers: int) -> str:
    """Return what to tell where steps waited for data."""
    shares = "; ".join(f"{row.setting} {row.data_wait:.1%}" for row in rows)
    return (
        f"error: expected steps that wait for data at most {MOST_WAITING:.0%} of their time, found more: {shares}.\n"
        f"These figures are those of the data loading. Raise --workers (now {workers}), "
        "or keep decoded images with --decoded-cache FOLDER."
    )


def _row(result: BenchResult, row: Measurement) -> tuple[str, ...]:
    setting = row.setting
    emulated = ", emulated" if row.arithmetic == "emulated" else ""
    names = (f"{setting.precision}{emulated}", setting.variant, str(setting.batch_size))
    if not row.seconds:
        return (*names, "does not fit", *[NOTHING] * 7)
    against = result.against_plain(row)
    peak = row.peak_memory_bytes
    scales = [f"{scale:g}" for scale in row.loss_scale.values() if scale is not None]
    return (
        *names,
        f"{row.median:.4g}",
        "{:.4g} .. {:.4g}".format(*row.quartiles),
        f"{row.images_per_second:.4g}",
        NOTHING if against is None else f"{against.value:.2f}x",
        NOTHING if peak is None else f"{peak / 2**30:.2f} GiB",
        " ".join(scales) or NOTHING,
        " ".join(str(n) for n in row.skipped_steps.values()) or NOTHING,
        f"{row.data_wait:.1%}",
    )
