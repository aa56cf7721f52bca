"""A study as tables: what it is going to do, and what came out."""

import statistics
from collections.abc import Sequence

from rich.filesize import decimal

from p2phd_eval.formatting import interval_text, number_text, signed_text
from p2phd_eval.report.console import NOTHING, ResultTable
from p2phd_eval.report.documents.study_documents import ArmVerdict, ReportDocument
from p2phd_eval.report.wording import VERDICTS


def plan_table(
    rows: Sequence[tuple[str, int, int, float | None]], *, total_seconds: float | None, disk: int, devices: int
) -> ResultTable:
    """Return the table of what a study will do.

    `rows`: for each arm its name, how often it is trained, steps a run, seconds a run (None: does not fit).
    `total_seconds`: how long all trainings take. `disk`: bytes in all. `devices`: runs side by side.
    """
    total = "unknown, since an arm does not fit into memory" if total_seconds is None else duration(total_seconds)
    return ResultTable(
        title="Study",
        columns=("arm", "runs", "steps a run", "time a run"),
        rows=tuple(
            (name, str(runs), str(steps), "does not fit" if seconds is None else duration(seconds))
            for name, runs, steps, seconds in rows
        ),
        notes=(
            f"Training takes about {total} with {devices} run{'s' if devices > 1 else ''} at a time, from a few steps "
            "measured on this machine; generation, features and the comparison come on top, minutes as a rule.",
            f"Disk: about {decimal(disk)}.",
        ),
    )


def study_table(report: ReportDocument) -> ResultTable:
    """Return the table of the verdicts of a study's report."""
    training = report.comparisons.training
    n = "n" if training is None else training.n
    return ResultTable(
        title=f"Study of {report.name}",
        columns=("arm", "verdict", "runs", "failed", f"FID@{n}", "judged", "difference", "interval", "margin"),
        rows=(
            (report.arms[0], "baseline", *_runs(report, report.arms[0]), *[NOTHING] * 4),
            *(
                (entry.arm, VERDICTS[entry.verdict].words, *_runs(report, entry.arm), *_judged(entry))
                for entry in report.verdicts
            ),
        ),
        notes=tuple(entry.sentence for entry in report.verdicts),
        styles=("", *(VERDICTS[entry.verdict].style for entry in report.verdicts)),
    )


def duration(seconds: float) -> str:
    """Return a duration in two units, such as "2 h 05 min"."""
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if seconds >= 120 else f"{seconds:.0f} s"


def _runs(report: ReportDocument, arm: str) -> tuple[str, ...]:
    runs = report.runs_of(arm)
    fids = [run.fid for run in runs if run.fid is not None]
    fid = NOTHING if not fids else f"{statistics.mean(fids):.3f}"
    if len(fids) > 1:
        fid += f" (sd {statistics.stdev(fids):.3f})"
    return (str(len(runs)), str(sum(run.failed for run in runs)), fid)


def _judged(entry: ArmVerdict) -> tuple[str, ...]:
    if entry.estimate is None or entry.interval is None:
        return (NOTHING,) * 4
    assert entry.judged is not None
    margin = None if entry.margin is None else entry.margin.value
    return (
        f"d{entry.judged.value}",
        signed_text(entry.estimate),
        interval_text(entry.interval),
        "none" if margin is None else f"±{number_text(margin)}",
    )
