"""The report of a study as a table for a pull request."""

import statistics

from msgspec import UNSET

from p2phd_eval.formatting import estimate_texts, given_text, number_text
from p2phd_eval.images.condition_ids import SampleCounts
from p2phd_eval.report.console import NOTHING
from p2phd_eval.report.documents.comparison_documents import Baseline, Candidate
from p2phd_eval.report.documents.study_documents import ArmVerdict, ReportDocument
from p2phd_eval.report.markdown_text import markdown_row, markdown_text
from p2phd_eval.report.page.page_tables import judged_texts, random_parts
from p2phd_eval.report.page.verdict_cards import convergence
from p2phd_eval.report.tables.edit_tables import widening_sentence
from p2phd_eval.report.tables.floor_tables import floor_bullets
from p2phd_eval.report.tables.generation_costs import ABOUT_COSTS, COSTS, cost_texts, generation_costs
from p2phd_eval.report.tables.segment_tables import segment_bullets
from p2phd_eval.report.wording import VERDICTS, draws_text, generated_name, verdict_words


def render_markdown(report: ReportDocument) -> str:
    """Return the verdicts and a table of the arms as GitHub-flavoured Markdown.

    Text of the report is escaped: it appears as it is, and makes no cell, tag or link.
    """
    verdicts = {entry.arm: entry for entry in report.verdicts}
    lines = [f"### {report.question} {markdown_text(report.name)}", ""]
    lines += [f"* {VERDICTS[entry.verdict].emoji} {markdown_text(entry.sentence)}" for entry in report.verdicts]
    scale, far = convergence(report)
    lines += ["", markdown_text(scale)] if far else []
    columns = _columns(report)
    lines += ["", markdown_row(columns), markdown_row(["---"] * len(columns))]
    lines += [
        markdown_row([markdown_text(cell) for cell in _cells(report, arm, verdicts.get(arm))]) for arm in report.arms
    ]
    if report.main is not None and isinstance(report.main.samples, SampleCounts):
        lines += ["", f"Images: {draws_text(report.main.samples, report.main.clusters)}."]
    failed = [run for run in report.runs if run.failed]
    if failed:
        lines += [
            "",
            *(f"* {markdown_text(run.name)} failed: {markdown_text(run.why or run.status)}" for run in failed),
        ]
    lines += _generation(report)
    lines += _fid_over_epochs(report)
    if report.segmentation is not UNSET:
        lines += ["", "Segmentation score:", "", *segment_bullets(report.segmentation)]
    if report.edits is not UNSET:
        edits = report.edits
        lines += [
            "",
            "Edited maps:",
            "",
            *(f"* {markdown_text(widening_sentence(edits, each))}" for each in edits.candidates),
        ]
    if report.floor is not UNSET:
        lines += ["", "Trajectory or quality:", "", *floor_bullets(report.floor)]
    if report.on_cpu and report.trains:
        lines += ["", "Made on a CPU, which emulates reduced precision: the speed says nothing about a GPU."]
    return "\n".join(lines) + "\n"


def _columns(report: ReportDocument) -> list[str]:
    document = report.main
    judged, fid, over = "difference", "FID@n", "interval"
    if document is not None:
        scopes = {each.scope for each in report.judged_in.values()}
        judged, fid = document.candidates[0].judged.difference_at(document.n), f"FID@{document.n}"
        over = f"{100 * document.confidence:.4g} % interval"
        # Where arms differ in it, their sentences say it.
        over += f" over {random_parts(document.scope)}" if len(scopes) == 1 else ""
    return ["arm", "verdict", "runs", fid, judged, over, "margin", "images/s", "peak memory"]


def _cells(report: ReportDocument, arm: str, entry: ArmVerdict | None) -> list[str]:
    runs, speeds = report.runs_of(arm), report.speeds_of(arm)
    fids = [run.fid for run in runs if run.fid is not None]
    rates = [speed.images_per_second for speed in speeds if speed.images_per_second is not None]
    peaks = [speed.peak_memory_bytes for speed in speeds if speed.peak_memory_bytes is not None]
    finished = sum(not run.failed for run in runs)
    judged = [NOTHING, NOTHING, NOTHING]
    if entry is not None and entry.estimate is not None and entry.interval is not None:
        margin = None if entry.margin is None else entry.margin.value
        judged = [
            *estimate_texts(entry.estimate, entry.interval),
            "none" if margin is None else f"±{given_text(margin)}",
        ]
    return [
        arm,
        VERDICTS[entry.verdict].words if entry is not None else "baseline" if arm == report.arms[0] else "benign",
        str(len(runs)) if finished == len(runs) else f"{finished} of {len(runs)}",
        number_text(statistics.mean(fids)) if fids else NOTHING,
        *judged,
        number_text(statistics.median(rates)) if rates else NOTHING,
        f"{max(peaks) / 2**30:.2f} GiB" if peaks else NOTHING,
    ]


def _generation(report: ReportDocument) -> list[str]:
    """The ways in which checkpoints generated, with what each costs; without a cost the verdicts are on the page."""
    costs = {generated_name(*images): cost_texts(cost) for images, cost in generation_costs(report).items()}
    documents = [document for what, _, document in report.compared if what == "generation"]
    if not costs or not documents:
        return []
    n, confidence = documents[0].n, documents[0].confidence
    judged = documents[0].candidates[0].judged.difference_at(n)
    over = f"{100 * confidence:.4g} % interval over {random_parts(documents[0].scope)}"
    header = ["images", "verdict", f"FID@{n}", judged, over, "margin", *COSTS]
    rows = []
    for document in documents:
        ways: list[Baseline | Candidate] = [document.baseline, *document.candidates]
        for each in ways:
            fid = number_text(statistics.mean(run.fid for run in each.runs))
            found = _judged_cells(each if isinstance(each, Candidate) else None)
            rows.append([each.name, found[0], fid, *found[1:], *costs.get(each.name, (NOTHING,) * len(COSTS))])
    lines = [markdown_row(header), markdown_row(["---"] * len(header))]
    lines += [markdown_row([markdown_text(cell) for cell in row]) for row in rows]
    return ["", *lines, "", ABOUT_COSTS]


def _judged_cells(candidate: Candidate | None) -> list[str]:
    """The verdict on a way of generation, its difference, interval and margin."""
    if candidate is None:
        return ["baseline", NOTHING, NOTHING, NOTHING]
    margin = candidate.margin.value
    return [
        verdict_words(candidate.verdict, candidate.dfid, candidate.dfid_se),
        *((NOTHING, NOTHING) if candidate.test is None else judged_texts(candidate.test)),
        "none" if margin is None else f"±{given_text(margin)}",
    ]


def _fid_over_epochs(report: ReportDocument) -> list[str]:
    curves = {name: curve.fid for name, curve in report.curves.items() if curve.fid is not None}
    if not curves:
        return []
    fids = {name: dict(zip(curve.epoch, curve.fid, strict=True)) for name, curve in curves.items()}
    header = ["epoch", *map(markdown_text, fids)]
    n = next(iter(curves.values())).n
    rows = [
        [str(epoch), *(number_text(of[epoch]) if epoch in of else NOTHING for of in fids.values())]
        for epoch in sorted(set().union(*fids.values()))
    ]
    table = map(markdown_row, [header, ["---"] * len(header), *rows])
    return ["", "<details>", f"<summary>FID@{n} over epochs</summary>", "", *table, "", "</details>"]
