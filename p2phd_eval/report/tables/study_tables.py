"""A study as tables: what it is going to do, and what came out."""

import statistics
from collections.abc import Mapping, Sequence, Set

from msgspec import UNSET
from rich.filesize import decimal

from p2phd_eval.formatting import duration_text, estimate_texts, given_text
from p2phd_eval.report.console import NOTHING, ResultTable
from p2phd_eval.report.documents.comparison_documents import Candidate, CompareDocument, JudgedDifference
from p2phd_eval.report.documents.study_documents import COMMON_SAMPLING, ArmVerdict, ReportDocument
from p2phd_eval.report.tables.edit_tables import widening_sentence
from p2phd_eval.report.tables.generation_costs import ABOUT_COSTS, COSTS, cost_texts, generation_costs
from p2phd_eval.report.wording import VERDICTS, generated_name, scale_sentence, verdict_words


def plan_table(
    rows: Sequence[tuple[str, int, int, float | None]],
    *,
    seconds: Mapping[str, float] | None,
    disk: int,
    devices: int,
    left: int,
    on: str = "this machine",
) -> ResultTable:
    """Return the table of what a study will do.

    `rows`: for each arm its name, how often it is trained, steps a run, seconds a run (None: does not fit). `seconds`:
    how long each stage of what is left takes; None where an arm does not fit. `disk`: bytes in all. `devices`: runs
    side by side. `left`: runs that have not ended. `on`: where steps and images were timed.
    """
    runs = sum(row[1] for row in rows)
    ended = f", {runs - left} of {runs} runs have ended" if left < runs else ""
    side_by_side = f"{devices} run{'s' if devices > 1 else ''} at a time{ended}"
    if seconds is None:
        time = f"How long it takes is unknown, since an arm does not fit into memory ({side_by_side})."
    else:
        stages = ", ".join(f"{stage} {duration_text(value)}" for stage, value in seconds.items() if value > 0)
        time = (
            f"About {duration_text(sum(seconds.values()))} in all, {side_by_side}: {stages}. From a few steps and "
            f"images, timed on {on} as it is now."
        )
    return ResultTable(
        title="Study",
        columns=("arm", "runs", "steps a run", "training a run"),
        rows=tuple(
            (name, str(count), str(steps), "does not fit" if training is None else duration_text(training))
            for name, count, steps, training in rows
        ),
        notes=(time, f"Disk: about {decimal(disk)}."),
    )


def commands_table(rows: Sequence[tuple[str, int, float | None]], *, devices: int, left: int) -> ResultTable:
    """Return the table of what commands a study will run.

    `rows`: for each arm of commands its name, how many runs it has, and seconds a run (None: not known yet). `devices`:
    runs side by side. `left`: runs of all arms that have not ended.
    """
    side_by_side = f"{devices} run{'s' if devices > 1 else ''} at a time, {left} left."
    unknown = [name for name, _, seconds in rows if seconds is None]
    note = f" How long a run takes is known after the first: {', '.join(unknown)}." if unknown else ""
    return ResultTable(
        title="Arms that are commands",
        columns=("arm", "runs", "a run"),
        rows=tuple(
            (name, str(runs), NOTHING if seconds is None else duration_text(seconds)) for name, runs, seconds in rows
        ),
        notes=(f"{side_by_side[0].upper()}{side_by_side[1:]}{note}",),
    )


def cluster_table(
    nodes: Sequence[tuple[str, float, float, str | None, float]],
    *,
    takes: str,
    at_once: int,
    left: int,
    gpus: float,
    cpus: float,
    seconds: float | None,
    memory: int | None,
) -> ResultTable:
    """Return the table of a cluster on which a study's runs would be made.

    `nodes`: host, cores, GPUs, kind of GPU, and bytes of memory. `takes`: what a run takes, in words; `gpus` and `cpus`
    of that. `at_once`: runs that have room. `left`: runs that have not ended. `seconds`: those of all of them, one
    after the other; None where that is not known. `memory`: bytes of a training step.
    """
    waves = -(-left // at_once)
    together = f"{min(left, at_once)} of {left} runs go at a time, in {waves} wave{'s' * (waves > 1)}"
    notes = [f"A run takes {takes}: {together}."]
    if seconds is not None and left:
        hours = [f"{gpus * seconds / 3600:.2g} GPU hours"] if gpus else []
        notes.append(f"About {' and '.join([*hours, f'{cpus * seconds / 3600:.2g} core hours'])} for all runs.")
    if memory is not None:
        notes.append(f"A training step takes about {decimal(memory)} of memory in fp32, on the GPU where there is one.")
    return ResultTable(
        title="Cluster",
        columns=("node", "cores", "GPUs", "kind", "memory for runs"),
        rows=tuple(
            (host, f"{cores:g}", f"{count:g}", kind or NOTHING, decimal(round(there)))
            for host, cores, count, kind, there in nodes
        ),
        notes=tuple(notes),
    )


def study_table(report: ReportDocument) -> ResultTable:
    """Return the table of the verdicts of a study's report: on its arms, and below them on generation."""
    main = report.main
    judged = [entry for entry in report.verdicts if entry.arm in report.arms]
    names = {entry.arm for entry in judged}
    benign = {arm.name for arm in report.what_was_run.arms if arm.benign is True}
    generated = [
        (document, candidate)
        for what, _, document in report.compared
        if what in ("generation", "benign")
        for candidate in document.candidates
        if candidate.name not in names
    ]
    n = report.what_was_run.n_test if main is None else main.n
    notes = [entry.sentence for entry in report.verdicts]
    if main is not None and main.real_scale is not None:
        fid = statistics.mean(run.fid for run in main.baseline.runs)
        notes.append(scale_sentence(main.baseline.name, main.n, fid, main.real_scale))
    if report.floor is not UNSET:
        notes += [f"Trajectory or quality: {each.sentence}" for each in report.floor.candidates]
    if report.segmentation is not UNSET:
        notes += [f"Segmentation: {each.sentence}" for each in report.segmentation.verdicts]
    if report.edits is not UNSET:
        notes += [f"Edited maps: {widening_sentence(report.edits, each)}" for each in report.edits.candidates]
    rows = [
        (report.arms[0], "baseline", *_runs(report, report.arms[0]), *[NOTHING] * 4),
        *(
            (entry.arm, VERDICTS[entry.verdict].words, *_runs(report, entry.arm), *_judged(entry, entry, n))
            for entry in judged
        ),
        *(_generated(document, candidate, benign) for document, candidate in generated),
    ]
    columns = ["arm", "verdict", "runs", "failed", f"FID@{n}", "judged", "difference", "interval", "margin"]
    known = {generated_name(*images): cost_texts(cost) for images, cost in generation_costs(report).items()}
    if known:
        arms = [generated_name(row[0], COMMON_SAMPLING) for row in rows[: 1 + len(judged)]]
        costs = [known.get(name, (NOTHING,) * len(COSTS)) for name in (*arms, *(each.name for _, each in generated))]
        told = [k for k in range(len(COSTS)) if any(cost[k] != NOTHING for cost in costs)]
        columns += [COSTS[k] for k in told]
        rows = [(*row, *(cost[k] for k in told)) for row, cost in zip(rows, costs, strict=True)]
        notes.append(ABOUT_COSTS)
    return ResultTable(
        title=f"Study of {report.name}",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=tuple(notes),
        styles=(
            "",
            *(VERDICTS[entry.verdict].style for entry in judged),
            *(VERDICTS[candidate.verdict].style for _, candidate in generated),
        ),
    )


def _runs(report: ReportDocument, arm: str) -> tuple[str, ...]:
    runs = report.runs_of(arm)
    fids = [run.fid for run in runs if run.fid is not None]
    return (str(len(runs)), str(sum(run.failed for run in runs)), _fid_text(fids))


def _fid_text(fids: Sequence[float]) -> str:
    if not fids:
        return NOTHING
    return f"{statistics.mean(fids):.3f}" + (f" (sd {statistics.stdev(fids):.3f})" if len(fids) > 1 else "")


def _generated(document: CompareDocument, candidate: Candidate, benign: Set[str]) -> tuple[str, ...]:
    words = verdict_words(candidate.verdict, candidate.dfid, candidate.dfid_se)
    return (
        candidate.name,
        f"benign: {words}" if candidate.name in benign else words,
        str(len(candidate.runs)),
        NOTHING,
        _fid_text([run.fid for run in candidate.runs]),
        *_judged(candidate, candidate.test, document.n),
    )


def _judged(entry: ArmVerdict | Candidate, test: ArmVerdict | JudgedDifference | None, n: int) -> tuple[str, ...]:
    if entry.judged is None or test is None or test.estimate is None or test.interval is None:
        return (NOTHING,) * 4
    margin = None if entry.margin is None else entry.margin.value
    return (
        entry.judged.difference_at(n),
        *estimate_texts(test.estimate, test.interval),
        "none" if margin is None else f"±{given_text(margin)}",
    )
