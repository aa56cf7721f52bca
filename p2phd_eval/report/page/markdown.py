"""The report of a study as a table for a pull request."""

import html
import statistics
from collections.abc import Sequence

from p2phd_eval.report.documents.study_documents import ArmVerdict, ReportDocument
from p2phd_eval.report.page.page_tables import interval, signed
from p2phd_eval.report.wording import VERDICTS

_REFERENCES = {ord(mark): f"&#{ord(mark)};" for mark in "\\`*_[]|~#"}
_COLUMNS = ("arm", "runs", "FID@n", "judged", "difference", "interval", "verdict", "images/s", "peak memory")


def render_markdown(report: ReportDocument) -> str:
    """Return the verdicts and a table of the arms as GitHub-flavoured Markdown.

    Text of the report is escaped: it appears as it is, and makes no cell, tag or link.
    """
    verdicts = {entry.arm: entry for entry in report.verdicts}
    lines = [f"### Does reduced precision hurt? {_text(report.name)}", ""]
    lines += [f"* {VERDICTS[entry.verdict].emoji} {_text(entry.sentence)}" for entry in report.verdicts]
    lines += ["", _row(_COLUMNS), _row(["---"] * len(_COLUMNS))]
    lines += [_row([_text(cell) for cell in _cells(report, arm, verdicts.get(arm))]) for arm in report.arms]
    failed = [run for run in report.runs if run.failed]
    if failed:
        lines += ["", *(f"* {_text(run.name)} failed: {_text(run.why or run.status)}" for run in failed)]
    lines += _fid_over_epochs(report)
    if report.on_cpu:
        lines += ["", "Made on a CPU, which emulates reduced precision: the speed says nothing about a GPU."]
    return "\n".join(lines) + "\n"


def _cells(report: ReportDocument, arm: str, entry: ArmVerdict | None) -> list[str]:
    runs, speeds = report.runs_of(arm), report.speeds_of(arm)
    fids = [run.fid for run in runs if run.fid is not None]
    rates = [speed.images_per_second for speed in speeds if speed.images_per_second is not None]
    peaks = [speed.peak_memory_bytes for speed in speeds if speed.peak_memory_bytes is not None]
    finished = sum(not run.failed for run in runs)
    judged = entry is not None and entry.estimate is not None
    return [
        arm,
        str(len(runs)) if finished == len(runs) else f"{finished} of {len(runs)}",
        f"{statistics.mean(fids):.3f}" if fids else "-",
        f"d{entry.statistic}" if entry is not None and judged else "-",
        signed(entry.estimate) if entry is not None and judged else "-",
        interval(entry.interval) if entry is not None and judged else "-",
        "baseline" if entry is None else entry.verdict.value,
        f"{statistics.median(rates):.3g}" if rates else "-",
        f"{max(peaks) / 2**30:.2f} GiB" if peaks else "-",
    ]


def _fid_over_epochs(report: ReportDocument) -> list[str]:
    curves = {name: curve.fid for name, curve in report.curves.items() if curve.fid is not None}
    if not curves:
        return []
    fids = {name: dict(zip(curve.epoch, curve.fid, strict=True)) for name, curve in curves.items()}
    header = ["epoch", *map(_text, fids)]
    n = next(iter(curves.values())).n
    rows = [
        [str(epoch), *(f"{of[epoch]:.3f}" if epoch in of else "-" for of in fids.values())]
        for epoch in sorted(set().union(*fids.values()))
    ]
    table = map(_row, [header, ["---"] * len(header), *rows])
    return ["", "<details>", f"<summary>FID@{n} over epochs</summary>", "", *table, "", "</details>"]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    # All marks in one pass: a reference such as &#95; holds a mark itself.
    return html.escape(" ".join(str(text).split()), quote=False).translate(_REFERENCES)
