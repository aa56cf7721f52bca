"""The numbers of a study's report as rows of text, for its page."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from p2phd_eval.report.tables.study_tables import duration

Row = tuple[str, ...]


def signed(value: float | None, digits: int = 3) -> str:
    """A difference with its sign, in significant digits; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:+.{digits}g}" if value else "0"


def interval(values: list[float] | None, digits: int = 3) -> str:
    """An interval of differences."""
    return "–" if values is None else f"({signed(values[0], digits)}, {signed(values[1], digits)})"


def comparisons(report: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield what each comparison is about, its document, and each of its candidates."""
    found = report["comparisons"]
    named = [("training", found["training"])]
    named += [("generation", each["document"]) for each in found["sampling"]]
    named += [("same seed again", found["repeat"])]
    for what, document in named:
        for candidate in () if document is None else document["candidates"]:
            yield what, document, candidate


def difference_rows(report: dict[str, Any]) -> list[Row]:
    """Of every comparison: what it is about, candidate, scope, dFID@n, what is judged, its interval, verdict."""
    return [
        (
            what,
            candidate["name"],
            document["scope"],
            f"{candidate['dfid']:+.3f} ± {candidate['dfid_se']:.3f}",
            f"d{candidate['statistic']} {signed(candidate['test']['estimate'])}",
            interval(candidate["test"]["interval"]),
            "identical" if candidate["dfid"] == candidate["dfid_se"] == 0 else candidate["verdict"],
        )
        for what, document, candidate in comparisons(report)
    ]


def bias_rows(report: dict[str, Any]) -> list[Row]:
    """Of every comparison: n, slope ratio, how far extrapolation moved it, what may be left, two errors, swap test."""
    rows: list[Row] = []
    for what, document, candidate in comparisons(report):
        population, swap = candidate["population"], candidate["swap_test"]
        found = population or {}
        bootstrap = candidate["dfid_se_bootstrap"]
        rows.append(
            (
                what,
                candidate["name"],
                str(document["n"]),
                _number(found.get("slope_ratio"), ".2f"),
                _number(found.get("bias_gap"), ".2f"),
                _number(found.get("residual_bias"), ".2g"),
                f"{candidate['dfid_se']:.3f}",
                _number(bootstrap, ".3f"),
                "–" if swap is None else f"{swap['p_value']:.2g}",
            )
        )
    return rows


def speed_rows(report: dict[str, Any]) -> list[Row]:
    """Of each arm: images a second while training, against the baseline, peak memory, time of a training."""
    arms = [arm["name"] for arm in report["what_was_run"]["arms"]]
    rates = {arm: _of_runs(report, arm, "images_per_second") for arm in arms}
    base = rates[arms[0]]
    rows: list[Row] = []
    for arm in arms:
        rate, peak = rates[arm], _of_runs(report, arm, "peak_memory_bytes")
        seconds = [report["speed"]["runs"][run["name"]]["seconds"]["train"] for run in _runs(report, arm)]
        known = [value for value in seconds if value is not None]
        rows.append(
            (
                arm,
                _number(rate, ".3g"),
                "–" if rate is None or base is None else f"{rate / base:.2f}×",
                "–" if peak is None else f"{peak / 2**30:.2f} GiB",
                duration(statistics.mean(known)) if known else "–",
            )
        )
    return rows


def memory_shares(report: dict[str, Any]) -> list[str]:
    """Peak memory of every candidate as a share of the baseline's; empty where the device does not tell."""
    baseline, *candidates = (arm["name"] for arm in report["what_was_run"]["arms"])
    base = _of_runs(report, baseline, "peak_memory_bytes")
    peaks = {arm: _of_runs(report, arm, "peak_memory_bytes") for arm in candidates}
    if base is None:
        return []
    return [f"{arm} needs {peak / base:.2f} of the memory of {baseline}" for arm, peak in peaks.items() if peak]


def quality_tables(quality: dict[str, Any] | None) -> list[tuple[str, list[Row], list[Row]]]:
    """Of each metric: a title, the rows of the arms against the photos, and those of runs against each other."""
    if quality is None:
        return []
    tables: list[tuple[str, list[Row], list[Row]]] = []
    for metric in quality["metrics"]:
        name, unit = metric["name"], f" {metric['unit']}" if metric["unit"] else ""
        network = f" ({metric['network']})" if metric["network"] else ""
        title = f"{name}{network}, {metric['better']} is better"
        to_photo: list[Row] = [
            (
                row["arm"],
                f"{row['mean']:.4g}{unit} ± {row['se']:.2g}",
                *(
                    ("–", "–", "–")
                    if row["difference"] is None
                    else (
                        signed(row["difference"]["estimate"]),
                        interval(row["difference"]["interval"]),
                        f"{row['difference']['p_value']:.2g}",
                    )
                ),
            )
            for row in quality["to_photo"]
            if row["metric"] == name
        ]
        between: list[Row] = [
            (
                row["pair"],
                f"{row['mean']:.4g}{unit}",
                f"({row['interval'][0]:.4g}, {row['interval'][1]:.4g})",
                str(row["pairs_of_runs"]),
            )
            for row in quality["between"]
            if row["metric"] == name
        ]
        tables.append((title, to_photo, between))
    return tables


def run_rows(report: dict[str, Any]) -> list[Row]:
    """Of each run: name, how it ended, steps, skipped steps, FID@n and the hash of its checkpoint."""
    return [
        (
            run["name"],
            run["status"] if run["why"] is None else f"{run['status']}: {run['why']}",
            str(run["steps"]),
            " ".join(f"{name} {count}" for name, count in run["skipped_steps"].items()),
            _number(run["fid"], ".3f"),
            (run["checkpoint_sha256"] or "–")[:16],
        )
        for run in report["runs"]
    ]


def _runs(report: dict[str, Any], arm: str) -> list[dict[str, Any]]:
    return [run for run in report["runs"] if run["arm"] == arm and not run["repeat"]]


def _of_runs(report: dict[str, Any], arm: str, key: str) -> float | None:
    values = [report["speed"]["runs"][run["name"]][key] for run in _runs(report, arm)]
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else f"{value:{form}}"
