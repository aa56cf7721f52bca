"""The result of `compare` as a table and as a document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from p2phd_eval.evaluation.comparison import ComparisonResult
from p2phd_eval.evaluation.precision_shifts import PrecisionShift
from p2phd_eval.features.feature_set import FeatureStamp
from p2phd_eval.images.image_folder import MANIFEST
from p2phd_eval.report.console import ResultTable
from p2phd_eval.report.documents import document, finite
from p2phd_eval.report.tables.fid_tables import shift_documents
from p2phd_eval.report.tables.interval_rows import error_document, population_document
from p2phd_eval.stats.verdicts.compared_arms import FIDComparison
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.scope import Scope

_WORDS = {
    Verdict.WITHIN: "within the error range",
    Verdict.NEGLIGIBLE: "detectable but negligible",
    Verdict.WORSE: "worse",
    Verdict.BETTER: "better",
    Verdict.INCONCLUSIVE: "inconclusive",
}
_STYLES = {
    Verdict.WITHIN: "green",
    Verdict.NEGLIGIBLE: "green",
    Verdict.WORSE: "red",
    Verdict.BETTER: "cyan",
    Verdict.INCONCLUSIVE: "yellow",
}


_SCOPES = {
    Scope.CHECKPOINTS: "A: these checkpoints. The images are random, the models fixed: another training seed moves the "
    "FID too, often by more, and the verdict says nothing about it",
    Scope.RECIPES: "B: the precision as a recipe. Training seeds and images are random",
}
_PAIRINGS = {
    "triplets": "{n} images paired by label map",
    "generated": "{n} generated images paired by label map, the real ones independent",
    "independent": "independent images, {n} a set",
}


def comparison_table(result: ComparisonResult, real: str, shifts: Sequence[PrecisionShift] = ()) -> ResultTable:
    """Return the table of a comparison, the baseline first; `shifts`: what a reduced feature precision did to it."""
    rows: list[tuple[str, ...]] = [
        (result.baseline_name, _fids(result.baseline_fids), "-", "-", "-", "-", "-", "-", "-", "baseline")
    ]
    rows += [_row(candidate) for candidate in result.candidates]
    pairing = _PAIRINGS[result.pairing].format(n=result.n)
    clusters = "" if result.clusters is None else f", in {result.clusters} clusters"
    percent = 100 * result.confidence
    notes = [f"Scope {_SCOPES[result.scope]}. Positive differences: the candidate is worse."]
    notes += [line for candidate in result.candidates for line in _sentences(candidate)]
    notes += map(str, shifts)
    notes += [f"warning: {warning}" for warning in result.warnings]
    return ResultTable(
        title=f"FID@{result.n} against {real}: {pairing}{clusters}",
        columns=(
            "arm",
            f"FID@{result.n}",
            f"dFID@{result.n}",
            "SE",
            "SE (bootstrap)",
            "judged",
            "estimate",
            f"{2 * percent - 100:.4g} % interval",
            f"{percent:.4g} % interval",
            "verdict",
        ),
        rows=tuple(rows),
        notes=tuple(notes),
        styles=("", *(_STYLES[candidate.verdict] for candidate in result.candidates)),
    )


def _row(candidate: FIDComparison) -> tuple[str, ...]:
    decision, test = candidate.decision, candidate.test
    bootstrap = "-" if candidate.dfid_se_bootstrap is None else f"{candidate.dfid_se_bootstrap:.3f}"
    digits = "+.3f" if decision.statistic == "FID" else "+.3g"
    return (
        candidate.name,
        _fids(decision.fids),
        f"{decision.dfid:+.3f}",
        f"{decision.dfid_error.value:.3f}",
        bootstrap,
        f"d{decision.statistic}",
        f"{test.estimate:{digits}}",
        *(f"({low:{digits}}, {high:{digits}})" for low, high in (test.tost_interval, test.interval)),
        _WORDS[candidate.verdict],
    )


def _fids(runs: Sequence[float]) -> str:
    if len(runs) == 1:
        return f"{runs[0]:.3f}"
    return f"{np.mean(runs):.3f} (sd {np.std(runs, ddof=1):.3f} of {len(runs)} seeds)"


def _sentences(candidate: FIDComparison) -> list[str]:
    decision, test = candidate.decision, candidate.test
    name, scope = candidate.name, f"scope {candidate.scope.value}"
    material = "materially " if test.material else ""
    sentence = f"{name}, {scope}: {material}{_WORDS[candidate.verdict]}, since {test.reason}."
    if test.non_inferior and candidate.verdict is Verdict.INCONCLUSIVE:
        sentence += f" It is not inferior by more than the margin (one-sided {100 * test.confidence:.4g} %)."
    needs = candidate.needs
    if needs is not None:
        wanted = [
            f"{count} {what}" for count, what in ((needs.images, "images"), (needs.runs, "seeds an arm")) if count
        ]
        if wanted:
            sentence += f" About {' or '.join(wanted)} would decide it, if estimate and spreads stay as they are."
        else:
            sentence += " No number of images or seeds would decide it while the estimate stays as it is."
    lines = [sentence, f"{name}: margin {_margin(candidate)}; {_p_values(candidate)}."]
    population = decision.population
    if decision.why_kid:
        lines.append(f"{name}: FID does not decide, since {decision.why_kid}. KID has no such bias and does.")
    elif population is not None:
        richardson = population.richardson
        ratio = "-" if richardson.slope_ratio is None else f"{richardson.slope_ratio:.2f}"
        lines.append(
            f"{name}: what is judged is the dFID of the distributions, extrapolated from half samples (slope ratio "
            f"{ratio}, 2 where the bias is c/n; moved by {population.bias_gap:.2f} standard errors; a bias of up to "
            f"{richardson.residual_bias:.2g} may be left, which its error includes)."
        )
    return lines


def _margin(candidate: FIDComparison) -> str:
    margin = candidate.decision.margin
    return f"none ({margin.text})" if margin.value is None else f"±{margin.value:.4g} ({margin.text})"


def _p_values(candidate: FIDComparison) -> str:
    test, decision = candidate.test, candidate.decision
    texts = [f"p {test.p_difference:.2g} of no difference"]
    if test.p_lower is not None and test.p_upper is not None:
        texts.append(f"{test.p_lower:.2g} and {test.p_upper:.2g} of one beyond the lower and the upper margin")
    if test.p_difference_holm != test.p_difference:
        texts.append(f"{test.p_difference_holm:.2g} of no difference after Holm's adjustment")
    swap = candidate.swap
    if swap is not None:
        how = f"all {swap.swaps}" if swap.exhaustive else f"{swap.swaps} random"
        texts.append(f"{swap.p_value:.2g} of exchangeable images ({how} swaps, {swap.statistic})")
    if decision.seed_permutation_p is not None:
        texts.append(f"{decision.seed_permutation_p:.2g} of exchangeable runs")
    if candidate.dfid_se_bootstrap is not None:
        texts.append(f"{candidate.replicates} bootstrap replicates")
    return ", ".join(texts)


def comparison_document(
    result: ComparisonResult, real: str, folders: Sequence[Sequence[Path]], shifts: Sequence[PrecisionShift] = ()
) -> dict[str, Any]:
    """Return the JSON document of a comparison; `folders` are those of each arm's runs, the baseline first."""
    return document(
        "compare",
        scope=result.scope.value,
        pairing=result.pairing,
        n=result.n,
        clusters=result.clusters,
        confidence=result.confidence,
        real=real,
        baseline={
            "name": result.baseline_name,
            "runs": _runs(folders[0], result.baseline_fids, result.stamps[0]),
        },
        candidates=[
            _candidate(candidate, _runs(paths, candidate.decision.fids, stamps))
            for candidate, paths, stamps in zip(result.candidates, folders[1:], result.stamps[1:], strict=True)
        ],
        precision_shifts=shift_documents(shifts),
        stamp=asdict(result.real_stamp),
        warnings=list(result.warnings),
    )


def _candidate(candidate: FIDComparison, runs: list[dict[str, Any]]) -> dict[str, Any]:
    decision, test, population = candidate.decision, candidate.test, candidate.decision.population
    return {
        "name": candidate.name,
        "verdict": candidate.verdict.value,
        "sentence": _sentences(candidate)[0],
        "reason": test.reason,
        "statistic": decision.statistic,
        "why_kid": decision.why_kid,
        "test": {**asdict(test), "verdict": test.verdict.value, "df": finite(test.df)},
        "margin": asdict(decision.margin),
        "dfid": decision.dfid,
        "dfid_se": decision.dfid_error.value,
        "dfid_se_bootstrap": candidate.dfid_se_bootstrap,
        "replicates": candidate.replicates,
        "population": None if population is None else population_document(population),
        "kid": {
            "difference": decision.kid.value,
            **error_document(decision.kid.standard_error),
            "of_runs": list(decision.kid.kids),
        },
        "swap_test": None if candidate.swap is None else asdict(candidate.swap),
        "seed_permutation_p": decision.seed_permutation_p,
        "components": asdict(decision.components),
        "needs": None if candidate.needs is None else asdict(candidate.needs),
        "runs": runs,
    }


def _runs(folders: Sequence[Path], fids: Sequence[float], stamps: Sequence[FeatureStamp]) -> list[dict[str, Any]]:
    return [
        {"folder": str(folder), "fid": fid, "manifest": _manifest(folder), "stamp": asdict(stamp)}
        for folder, fid, stamp in zip(folders, fids, stamps, strict=True)
    ]


def _manifest(folder: Path) -> dict[str, Any] | None:
    """What `generate` wrote beside the images: checkpoint, precisions, versions; None for a folder without it."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None
