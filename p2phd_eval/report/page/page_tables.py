"""The numbers of a study's report as tables of text, for its page."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from p2phd_eval.formatting import (
    duration_text,
    error_text,
    estimate_texts,
    given_text,
    interval_text,
    number_text,
    signed_text,
)
from p2phd_eval.report.console import ResultTable
from p2phd_eval.report.documents.bench_documents import BenchDocument
from p2phd_eval.report.documents.comparison_documents import Candidate, CompareDocument, JudgedDifference
from p2phd_eval.report.documents.study_documents import Quality, ReportDocument
from p2phd_eval.report.tables.generation_costs import cost_texts, generation_costs, median_of_known
from p2phd_eval.report.wording import generated_name, verdict_words
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.explanation import Explanation
from p2phd_eval.stats.verdicts.scope import Scope

_NOTHING = "–"
_PARTS = 12  # clusters and classes that are listed


class Cell(NamedTuple):
    """What a cell says, and what it is sorted by."""

    text: str
    value: float | None = None  # None: by the text, or last among numbers
    verdict: str = ""  # whose colour it has


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a page."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def is_number(self, column: int) -> bool:
        """Whether the column is sorted by numbers."""
        return any(row[column].value is not None for row in self.rows)


def plain_table(table: ResultTable) -> Table:
    """Return a table that commands print as one of a page, sorted by its texts."""
    return Table(columns=table.columns, rows=tuple(tuple(map(Cell, row)) for row in table.rows))


def judged_texts(test: JudgedDifference) -> tuple[str, str]:
    """A judged difference and its interval, as precise as the sentence on it is."""
    margin = () if test.margin is None else (-test.margin, test.margin)
    return estimate_texts(test.estimate, test.interval, (0.0, *margin))


def random_parts(scope: Scope) -> str:
    """What an interval of this scope is over: what could have been drawn otherwise."""
    return "images and training seeds" if scope is Scope.RECIPES else "images alone"


def difference_tables(report: ReportDocument) -> dict[str, Table]:
    """The verdicts of all comparisons, by what these are about."""
    rows: dict[str, list[tuple[Cell, ...]]] = {}
    columns: dict[str, tuple[str, ...]] = {}
    for what, _, document in report.compared:
        percent = f"{100 * document.confidence:.4g} % interval"
        columns[what] = (
            "candidate",
            "verdict",
            document.candidates[0].judged.difference_at(document.n),  # the same for all
            f"{percent} over {random_parts(document.scope)}",
            "margin",
            "companion",
            f"its {percent}",
        )
        rows.setdefault(what, []).extend(_verdict_row(candidate, document.n) for candidate in document.candidates)
    return {what: Table(columns=columns[what], rows=tuple(found)) for what, found in rows.items()}


def _verdict_row(candidate: Candidate, n: int) -> tuple[Cell, ...]:
    test, companion, margin = candidate.test, candidate.companion, candidate.margin.value
    verdict = verdict_words(candidate.verdict, candidate.dfid, candidate.dfid_se)
    estimate, interval = (_NOTHING,) * 2 if test is None else judged_texts(test)
    return (
        Cell(candidate.name),
        Cell(verdict, verdict=candidate.verdict.value),
        Cell(estimate, None if test is None else test.estimate),
        Cell(interval, None if test is None else test.interval[0]),
        Cell(_NOTHING) if margin is None else Cell(f"±{given_text(margin)}", margin),
        Cell(_NOTHING if companion is None else companion.estimand.difference_at(n)),
        Cell(_NOTHING) if companion is None else Cell(interval_text(companion.interval), companion.interval[0]),
    )


def measures_table(training: CompareDocument) -> Table:
    """Everything that was measured of the trained arms, judged or not."""
    rows = []
    for candidate in training.candidates:
        for each in candidate.measured:
            estimate, interval = signed_text(each.estimate), "refused" if each.refusal else _NOTHING
            if each.interval is not None:
                estimate, interval = estimate_texts(each.estimate, each.interval)
            rows.append(
                (
                    Cell(candidate.name),
                    Cell(each.estimand.name_at(training.n)),
                    _number(statistics.mean(each.baseline_runs)),
                    _number(statistics.mean(each.runs)),
                    Cell(estimate, each.estimate),
                    Cell(interval, None if each.interval is None else each.interval[0]),
                )
            )
    over = f"{100 * training.confidence:.4g} % interval over {random_parts(training.scope)}"
    columns = ("candidate", "measure", training.baseline.name, "candidate's", "difference", over)
    return Table(columns=columns, rows=tuple(rows))


def refusals(training: CompareDocument) -> list[str]:
    """What the trained arms have no believable number of, and why."""
    found = []
    for candidate in training.candidates:
        reasons = {each.estimand: each.refusal for each in candidate.measured if each.refusal}
        reasons |= {Estimand(estimand): why for estimand, why in candidate.not_measured.items()}
        found += [f"{candidate.name}, {each.name_at(training.n)}: {why}." for each, why in reasons.items()]
    return found


def checks_table(report: ReportDocument) -> Table:
    """Every comparison: the standard error of dFID@n by formula and by bootstrap, and tests that need no formula."""
    rows = []
    for what, document, candidate in _candidates(report):
        swap = candidate.swap_test
        rows.append(
            (
                Cell(candidate.name),
                Cell(what),
                _number(document.n, "d"),
                _number(candidate.dfid_se),
                _number(candidate.dfid_se_bootstrap),
                _number(None if swap is None else swap.p_value, ".2g"),
                _number(candidate.seed_permutation_p, ".2g"),
            )
        )
    columns = ("candidate", "about", "n", "SE, formula", "SE, bootstrap", "p, swapped images", "p, swapped seeds")
    return Table(columns=columns, rows=tuple(rows))


def extrapolation_table(report: ReportDocument) -> Table:
    """How each FID of the distributions was extrapolated, and how much that can be believed."""
    rows = [
        (
            Cell(candidate.name),
            Cell(each.estimand.name_at(document.n)),
            _number(each.population.slope_ratio),
            _number(each.population.bias_gap),
            _number(each.population.residual_bias),
        )
        for _, document, candidate in _candidates(report)
        for each in candidate.measured
        if each.population is not None
    ]
    columns = ("candidate", "measure", "slope ratio", "moved by, SE", "bias left")
    return Table(columns=columns, rows=tuple(rows))


def speed_table(report: ReportDocument) -> Table:
    """Each arm: images a second while training, against the baseline, peak memory, time of a training."""
    baseline = report.arms[0]
    base, base_peak = _rate(report, baseline), _peak(report, baseline)
    rows = []
    for arm in report.arms:
        rate, peak = _rate(report, arm), _peak(report, arm)
        seconds = [speed.seconds.train for speed in report.speeds_of(arm) if speed.seconds.train is not None]
        mean = statistics.mean(seconds) if seconds else None
        rows.append(
            (
                Cell(arm),
                _number(rate),
                _number(None if rate is None or base is None else rate / base, ".2f", "×"),
                _number(None if peak is None else peak / 2**30, ".2f", " GiB"),
                _number(None if peak is None or base_peak is None else peak / base_peak, ".2f", "×"),
                Cell(_NOTHING) if mean is None else Cell(duration_text(mean), mean),
            )
        )
    against = f"against {baseline}"
    columns = ("arm", "images/s", f"speed {against}", "peak memory", f"memory {against}", "a training")
    return Table(columns=columns, rows=tuple(rows))


def generation_table(report: ReportDocument) -> Table | None:
    """Each way of generation: its verdict, images a second, against that in fp32, peak memory and size."""
    costs = generation_costs(report)
    if not costs:
        return None
    verdicts = {
        candidate.name: Cell(
            verdict_words(candidate.verdict, candidate.dfid, candidate.dfid_se), verdict=candidate.verdict.value
        )
        for what, _, candidate in _candidates(report)
        if what == "generation"
    }
    base: dict[str, float | None] = {}
    rows = []
    for (arm, precision), cost in costs.items():
        rate, (_, peak, size) = cost.images_per_second, cost_texts(cost)
        first, name = base.setdefault(arm, rate), generated_name(arm, precision)
        rows.append(
            (
                Cell(name),
                verdicts.get(name, Cell(_NOTHING)),
                _number(rate),
                _number(None if rate is None or first is None else rate / first, ".2f", "×"),
                Cell(_NOTHING) if cost.peak_memory_bytes is None else Cell(peak, cost.peak_memory_bytes),
                Cell(_NOTHING) if cost.generator_bytes is None else Cell(size, cost.generator_bytes),
            )
        )
    columns = ("images", "verdict", "images/s", "against those in fp32", "peak memory", "size")
    return Table(columns=columns, rows=tuple(rows))


def commands_table(report: ReportDocument) -> Table:
    """Each arm of a study of commands: how long `train` and `generate` of a run took, starts included."""
    rows = []
    for arm in report.arms:
        seconds = [speed.seconds for speed in report.speeds_of(arm)]
        trained = [each.train for each in seconds if each.train is not None]
        generated = [each.generate for each in seconds if each.generate]
        rows.append((Cell(arm), *(_duration(of) for of in (trained, generated))))
    return Table(columns=("arm", "train", "generate"), rows=tuple(rows))


def _duration(seconds: Sequence[float]) -> Cell:
    if not seconds:
        return Cell(_NOTHING)
    middle = statistics.median(seconds)
    return Cell(duration_text(middle), middle)


def bench_table(bench: BenchDocument) -> Table:
    """Each ratio of the measurement before the study: here, its range, and what a talk reported of apex."""
    return Table(
        columns=("ratio", "here", "range", "talk"),
        rows=tuple(
            (
                Cell(ratio.name),
                _number(ratio.value, ".2f"),
                Cell(_NOTHING) if ratio.interval is None else Cell("{:.2f} – {:.2f}".format(*ratio.interval)),
                _number(ratio.talk, ".2f"),
            )
            for ratio in bench.ratios
        ),
    )


def quality_tables(quality: Quality | None) -> list[tuple[str, Table, Table]]:
    """Each metric: a title, the arms against the photos, and the runs against each other."""
    if quality is None:
        return []
    tables = []
    for metric in quality.metrics:
        unit = f" {metric.unit}" if metric.unit else ""
        network = f" ({metric.network})" if metric.network else ""
        to_photo, over = [], ""
        for row in quality.to_photo:
            if row.metric == metric.name:
                found = row.difference
                over = over if found is None else f" over {random_parts(found.scope)}"
                estimate, interval = (
                    (_NOTHING,) * 2 if found is None else estimate_texts(found.estimate, found.interval)
                )
                to_photo.append(
                    (
                        Cell(row.arm),
                        Cell(error_text(row.mean, row.se).removeprefix("+") + unit, row.mean),
                        Cell(estimate, None if found is None else found.estimate),
                        Cell(interval, None if found is None else found.interval[0]),
                        _number(None if found is None else found.p_holm, ".2g"),
                    )
                )
        between = []
        for pair in quality.between:
            if pair.metric == metric.name:
                mean, interval = (text.replace("+", "") for text in estimate_texts(pair.mean, pair.interval))
                between.append(
                    (
                        Cell(pair.pair),
                        Cell(mean + unit, pair.mean),
                        Cell(interval, pair.interval[0]),
                        _number(pair.pairs_of_runs, "d"),
                    )
                )
        tables.append(
            (
                f"{metric.name}{network}, {metric.better} is better",
                Table(
                    columns=("against the photo", "mean ± SE over images", "difference", f"interval{over}", "p (Holm)"),
                    rows=tuple(to_photo),
                ),
                Table(
                    columns=("between runs", "mean", "interval over images alone", "pairs of runs"), rows=tuple(between)
                ),
            )
        )
    return tables


def run_table(report: ReportDocument) -> Table:
    """Each run: name, how it ended, steps, skipped steps, FID@n and the hash of its checkpoint."""
    columns = ["run", "outcome", "FID@n", "steps", "skipped steps", "checkpoint, SHA-256"]
    rows = []
    for run in report.runs:
        skipped = " ".join(f"{name} {count}" for name, count in run.skipped_steps.items())
        steps = (_number(run.steps, "d"), Cell(skipped, sum(run.skipped_steps.values())))
        rows.append(
            (
                Cell(run.name),
                Cell(run.status if run.why is None else f"{run.status}: {run.why}"),
                _number(run.fid, ".3f"),
                *(steps if report.trains else ()),
                Cell((run.checkpoint_sha256 or _NOTHING)[:16]),
            )
        )
    if not report.trains:
        columns = [*columns[:3], "what train wrote, SHA-256"]
    return Table(columns=tuple(columns), rows=tuple(rows))


def cluster_table(explanation: Explanation) -> Table | None:
    """The clusters that have most to do with dFID@n; None where images are their own clusters."""
    parts = explanation.clusters or ()
    rows = tuple(
        (Cell(part.name), _number(part.images, "d"), _difference(part.contribution), _difference(part.change_without))
        for part in parts[:_PARTS]
    )
    return Table(columns=("cluster", "images", "contribution", "change without it"), rows=rows) if rows else None


def class_table(explanation: Explanation) -> Table | None:
    """The classes of the label maps that have most to do with dFID@n; None where there are no label maps."""
    parts = explanation.classes or ()
    rows = tuple(
        (
            Cell(part.name),
            Cell(f"{100 * part.share:.1f} %", part.share),
            _difference(part.contribution),
            _difference(part.correlation),
            _number(part.p_holm, ".2g"),
        )
        for part in parts[:_PARTS]
    )
    columns = ("class", "share of pixels", "contribution, pro rata", "rank correlation", "p (Holm)")
    return Table(columns=columns, rows=rows) if rows else None


def _candidates(report: ReportDocument) -> Iterator[tuple[str, CompareDocument, Candidate]]:
    for what, _, document in report.compared:
        for candidate in document.candidates:
            yield what, document, candidate


def _rate(report: ReportDocument, arm: str) -> float | None:
    return median_of_known(speed.images_per_second for speed in report.speeds_of(arm))


def _peak(report: ReportDocument, arm: str) -> float | None:
    return median_of_known(speed.peak_memory_bytes for speed in report.speeds_of(arm))


def _number(value: float | None, form: str = "", unit: str = "") -> Cell:
    if value is None:
        return Cell(_NOTHING)
    return Cell(f"{value:{form}}{unit}" if form else number_text(value), value)


def _difference(value: float | None) -> Cell:
    return Cell(_NOTHING) if value is None else Cell(signed_text(value), value)
