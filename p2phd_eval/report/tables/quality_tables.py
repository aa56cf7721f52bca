"""The per-image quality of a study as a part of its report and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from p2phd_eval.evaluation.cluster_rules import ClusterRule
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.progress import ProgressFactory, silent
from p2phd_eval.quality.run_quality import QualityRun, RunQuality, quality_of_runs
from p2phd_eval.report.console import ResultTable
from p2phd_eval.stats.verdicts.paired_means import MeanDifference

__all__ = ["QualityRun", "measure_quality", "quality_document", "quality_tables"]


def measure_quality(
    photos: ImageSource,
    runs: Sequence[QualityRun],
    *,
    baseline: str,
    lpips_weights: Path | None = None,
    device: torch.device | str = "cpu",
    cluster_by: ClusterRule | None = None,
    confidence: float = 0.95,
    progress: ProgressFactory = silent,
) -> dict[str, Any]:
    """Return the document of the quality of all runs; see `p2phd_eval.quality.run_quality.quality_of_runs`."""
    return quality_document(
        quality_of_runs(
            photos,
            runs,
            baseline=baseline,
            lpips_weights=lpips_weights,
            device=device,
            cluster_by=cluster_by,
            confidence=confidence,
            progress=progress,
        )
    )


def quality_document(quality: RunQuality) -> dict[str, Any]:
    """Return the quality of all runs as JSON values, the "quality" of a study's report."""
    return {
        "metrics": [asdict(metric) for metric in quality.metrics],
        "to_photo": [
            {
                "metric": row.metric,
                "arm": row.arm,
                "mean": row.mean.value,
                "se": row.mean.error.value,
                "difference": None if row.difference is None else _difference(row.difference),
            }
            for row in quality.to_photo
        ],
        "between": [
            {
                "metric": row.metric,
                "pair": row.kind,
                "mean": row.mean.value,
                "se": row.mean.error.value,
                "interval": list(row.mean.interval),
                "pairs_of_runs": row.pairs_of_runs,
            }
            for row in quality.between
        ],
        "notes": list(quality.notes),
    }


def quality_tables(quality: dict[str, Any]) -> list[ResultTable]:
    """Return the tables of a document of `quality_document`: against the photos, and between runs if there are pairs.

    Parameters
    ----------
    quality : dict
        As it is made or as it was read from a file.
    """
    labels = {metric["name"]: _label(metric) for metric in quality["metrics"]}
    tables = [
        ResultTable(
            title="Samples against their photos",
            columns=("metric", "arm", "mean", "standard error", "difference", "interval", "p", "scope"),
            rows=tuple(
                (
                    labels[row["metric"]],
                    row["arm"],
                    f"{row['mean']:.4g}",
                    f"{row['se']:.2g}",
                    *_cells(row["difference"]),
                )
                for row in quality["to_photo"]
            ),
            notes=tuple(quality["notes"]),
        )
    ]
    if quality["between"]:
        tables.append(
            ResultTable(
                title="Samples of two runs against each other",
                columns=("metric", "runs", "mean", "standard error", "interval", "pairs of runs"),
                rows=tuple(
                    (
                        labels[row["metric"]],
                        row["pair"],
                        f"{row['mean']:.4g}",
                        f"{row['se']:.2g}",
                        _interval(row["interval"]),
                        str(row["pairs_of_runs"]),
                    )
                    for row in quality["between"]
                ),
                notes=("Runs that differ in their seed alone show what distance chance makes.",),
            )
        )
    return tables


def _difference(difference: MeanDifference) -> dict[str, Any]:
    return {
        "estimate": difference.estimate,
        "se": difference.error.value,
        "interval": list(difference.interval),
        "p_value": difference.p_value,
        "scope": difference.scope.value,
    }


def _label(metric: dict[str, Any]) -> str:
    details = ", ".join(text for text in (metric["unit"], metric["network"], f"{metric['better']} is better") if text)
    return f"{metric['name']} ({details})"


def _cells(difference: dict[str, Any] | None) -> tuple[str, ...]:
    if difference is None:
        return ("-",) * 4
    return (
        f"{difference['estimate']:+.4g}",
        _interval(difference["interval"]),
        f"{difference['p_value']:.2g}",
        difference["scope"],
    )


def _interval(interval: Sequence[float]) -> str:
    low, high = interval
    return f"({low:.4g}, {high:.4g})"
