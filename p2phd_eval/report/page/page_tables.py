"""The numbers of a study's report as rows of text, for its page."""

import statistics
from collections.abc import Iterator, Sequence

from p2phd_eval.report.documents.comparison_documents import Candidate, CompareDocument
from p2phd_eval.report.documents.study_documents import Quality, ReportDocument
from p2phd_eval.report.tables.study_tables import duration

Row = tuple[str, ...]


def signed(value: float | None, digits: int = 3) -> str:
    """A difference with its sign, in significant digits; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:+.{digits}g}" if value else "0"


def interval(values: tuple[float, float] | None, digits: int = 3) -> str:
    """An interval of differences."""
    return "–" if values is None else f"({signed(values[0], digits)}, {signed(values[1], digits)})"


def difference_rows(report: ReportDocument) -> list[Row]:
    """Every comparison: what it is about, candidate, scope, dFID@n, what is judged, its interval, verdict."""
    return [
        (
            what,
            candidate.name,
            document.scope.value,
            f"{candidate.dfid:+.3f} ± {candidate.dfid_se:.3f}",
            f"d{candidate.statistic} {signed(candidate.test.estimate)}",
            interval(candidate.test.interval),
            "identical" if candidate.dfid == candidate.dfid_se == 0 else candidate.verdict.value,
        )
        for what, document, candidate in _candidates(report)
    ]


def bias_rows(report: ReportDocument) -> list[Row]:
    """Every comparison: n, slope ratio, how far extrapolation moved it, what may be left, two errors, swap test."""
    rows: list[Row] = []
    for what, document, candidate in _candidates(report):
        population, swap = candidate.population, candidate.swap_test
        rows.append(
            (
                what,
                candidate.name,
                str(document.n),
                _number(None if population is None else population.slope_ratio, ".2f"),
                _number(None if population is None else population.bias_gap, ".2f"),
                _number(None if population is None else population.residual_bias, ".2g"),
                f"{candidate.dfid_se:.3f}",
                _number(candidate.dfid_se_bootstrap, ".3f"),
                "–" if swap is None else f"{swap.p_value:.2g}",
            )
        )
    return rows


def speed_rows(report: ReportDocument) -> list[Row]:
    """Each arm: images a second while training, against the baseline, peak memory, time of a training."""
    base = _rate(report, report.arms[0])
    rows: list[Row] = []
    for arm in report.arms:
        rate, peak = _rate(report, arm), _peak(report, arm)
        seconds = [speed.seconds.train for speed in report.speeds_of(arm) if speed.seconds.train is not None]
        rows.append(
            (
                arm,
                _number(rate, ".3g"),
                "–" if rate is None or base is None else f"{rate / base:.2f}×",
                "–" if peak is None else f"{peak / 2**30:.2f} GiB",
                duration(statistics.mean(seconds)) if seconds else "–",
            )
        )
    return rows


def memory_shares(report: ReportDocument) -> list[str]:
    """Peak memory of every candidate as a share of the baseline's; empty where the device does not tell."""
    baseline, *candidates = report.arms
    base = _peak(report, baseline)
    peaks = {arm: _peak(report, arm) for arm in candidates}
    if base is None:
        return []
    return [f"{arm} needs {peak / base:.2f} of the memory of {baseline}" for arm, peak in peaks.items() if peak]


def quality_tables(quality: Quality | None) -> list[tuple[str, list[Row], list[Row]]]:
    """Each metric: a title, the rows of the arms against the photos, and those of runs against each other."""
    if quality is None:
        return []
    tables: list[tuple[str, list[Row], list[Row]]] = []
    for metric in quality.metrics:
        unit = f" {metric.unit}" if metric.unit else ""
        network = f" ({metric.network})" if metric.network else ""
        to_photo: list[Row] = [
            (
                row.arm,
                f"{row.mean:.4g}{unit} ± {row.se:.2g}",
                *(
                    ("–", "–", "–")
                    if row.difference is None
                    else (
                        signed(row.difference.estimate),
                        interval(row.difference.interval),
                        f"{row.difference.p_holm:.2g}",
                    )
                ),
            )
            for row in quality.to_photo
            if row.metric == metric.name
        ]
        between: list[Row] = [
            (row.pair, f"{row.mean:.4g}{unit}", "({:.4g}, {:.4g})".format(*row.interval), str(row.pairs_of_runs))
            for row in quality.between
            if row.metric == metric.name
        ]
        tables.append((f"{metric.name}{network}, {metric.better} is better", to_photo, between))
    return tables


def run_rows(report: ReportDocument) -> list[Row]:
    """Each run: name, how it ended, steps, skipped steps, FID@n and the hash of its checkpoint."""
    return [
        (
            run.name,
            run.status if run.why is None else f"{run.status}: {run.why}",
            str(run.steps),
            " ".join(f"{name} {count}" for name, count in run.skipped_steps.items()),
            _number(run.fid, ".3f"),
            (run.checkpoint_sha256 or "–")[:16],
        )
        for run in report.runs
    ]


def _candidates(report: ReportDocument) -> Iterator[tuple[str, CompareDocument, Candidate]]:
    for what, _, document in report.compared:
        for candidate in document.candidates:
            yield what, document, candidate


def _rate(report: ReportDocument, arm: str) -> float | None:
    return _median([speed.images_per_second for speed in report.speeds_of(arm)])


def _peak(report: ReportDocument, arm: str) -> float | None:
    return _median([speed.peak_memory_bytes for speed in report.speeds_of(arm)])


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else f"{value:{form}}"
