"""The result of `compare` as tables: the verdicts, and everything that was measured."""

from collections.abc import Sequence

import numpy as np

from p2phd_eval.evaluation.comparison import ComparisonResult
from p2phd_eval.formatting import error_text, fixed_text, given_text, interval_text, number_text
from p2phd_eval.report.console import NOTHING, ResultTable
from p2phd_eval.report.wording import (
    SCOPES,
    SET_PAIRINGS,
    VERDICTS,
    draws_text,
    protocol_text,
    scale_sentence,
    verdict_sentence,
)
from p2phd_eval.stats.confidence import t_interval
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.compared_arms import FIDComparison
from p2phd_eval.stats.verdicts.measured_difference import MeasuredDifference


def comparison_table(result: ComparisonResult, real: str) -> ResultTable:
    """Return the verdicts, the baseline first."""
    judged = result.candidates[0].judged
    at_n = Estimand.FID_AT_N.name_at(result.n)
    name = judged.name_at(result.n)
    rows: list[tuple[str, ...]] = [
        (result.baseline_name, "baseline", _runs(result.baseline_fids), NOTHING, NOTHING, NOTHING, NOTHING)
    ]
    rows += [_row(candidate) for candidate in result.candidates]
    pairing = SET_PAIRINGS[result.pairing].format(real=result.design.sizes[0], n=result.design.sizes[1])
    if draws := draws_text(result.samples, result.clusters):
        pairing += f"{', ' if result.samples is None else ': '}{draws}"
    percent = f"{100 * result.confidence:.4g} %"
    notes = [line for candidate in result.candidates for line in _sentences(candidate)]
    notes += [f"{SCOPES[result.scope]}. Positive differences: the candidate is worse."]
    if result.real_stamp.protocol is not None:
        notes.append(f"Protocol: {protocol_text(result.real_stamp)}.")
    if result.real_scale is not None:
        notes.append(
            scale_sentence(result.baseline_name, result.n, float(np.mean(result.baseline_fids)), result.real_scale)
        )
    notes += map(str, result.precision_shifts)
    notes += [f"warning: {warning}" for warning in result.warnings]
    return ResultTable(
        title=f"{name} against {real}: {pairing}",
        columns=(
            "arm",
            "verdict",
            at_n,
            f"{judged.difference_at(result.n)} ± standard error",
            f"{percent} interval",
            "margin",
            f"beside it, {percent} interval",
        ),
        rows=tuple(rows),
        notes=tuple(notes),
        styles=("", *(VERDICTS[candidate.verdict].style for candidate in result.candidates)),
    )


def measures_table(result: ComparisonResult) -> ResultTable:
    """Return every estimand of every candidate, judged or not."""
    rows = []
    for candidate in result.candidates:
        rows += [_measured_row(candidate, each, result.confidence) for each in candidate.measured]
    missing = result.candidates[0].not_measured
    return ResultTable(
        title="Everything that was measured",
        columns=(
            "candidate",
            "measure",
            "baseline",
            "candidate's",
            "difference ± standard error",
            f"{100 * result.confidence:.4g} % interval",
        ),
        rows=tuple(rows),
        notes=(
            f"FID@{result.n} is the number that papers print: the bias of {result.n} images and their diversity are a "
            "part of it. The others estimate a distance of the distributions, which does not depend on the number of "
            "images. KID: kernel inception distance.",
            *(f"Not measured: {estimand.name_at(result.n)}; {why}." for estimand, why in missing.items()),
        ),
    )


def _row(candidate: FIDComparison) -> tuple[str, ...]:
    test, companion, margin = candidate.test, candidate.companion, candidate.margin.value
    beside = NOTHING
    if companion is not None and test is not None:
        interval = interval_text(companion.interval(test.confidence))
        beside = f"{companion.estimand.difference_at(candidate.n)} {interval}"
    return (
        candidate.name,
        VERDICTS[candidate.verdict].words,
        _runs(candidate.at_n.runs),
        NOTHING if test is None else error_text(test.estimate, test.standard_error),
        NOTHING if test is None else interval_text(test.interval),
        "none" if margin is None else f"±{given_text(margin)}",
        beside,
    )


def _measured_row(candidate: FIDComparison, measured: MeasuredDifference, confidence: float) -> tuple[str, ...]:
    name = measured.estimand.name_at(candidate.n)
    interval = interval_text(t_interval(measured.estimate, measured.error, confidence))
    values = (measured.baseline, measured.candidate)
    return (
        candidate.name,
        name,
        *(fixed_text(value, 3) if measured.estimand.in_fid else number_text(value) for value in values),
        error_text(measured.estimate, measured.error.value),
        f"refused: {measured.refusal}" if measured.refusal else interval,
    )


def _runs(runs: Sequence[float]) -> str:
    if len(runs) == 1:
        return fixed_text(runs[0], 3)
    return f"{fixed_text(float(np.mean(runs)), 3)} (sd {np.std(runs, ddof=1):.3f} of {len(runs)} seeds)"


def _sentences(candidate: FIDComparison) -> list[str]:
    margin = candidate.margin
    value = "none" if margin.value is None else f"±{given_text(margin.value)}"
    lines = [verdict_sentence(candidate), f"{candidate.name}: margin {value} ({margin.text})."]
    if checks := _checks(candidate):
        lines.append(f"{candidate.name}: {checks}.")
    return lines


def _checks(candidate: FIDComparison) -> str:
    test, swap, texts = candidate.test, candidate.swap, []
    if test is not None:
        texts.append(f"p = {test.p_difference:.2g} of no difference")
        if test.p_difference_holm != test.p_difference:
            texts.append(f"{test.p_difference_holm:.2g} after Holm's adjustment for several candidates")
    if swap is not None:
        how = f"all {swap.swaps}" if swap.exhaustive else f"{swap.swaps} random"
        texts.append(f"{swap.p_value:.2g} of exchangeable images ({how} swaps, {swap.statistic})")
    if candidate.seed_permutation_p is not None:
        texts.append(f"{candidate.seed_permutation_p:.2g} of exchangeable runs")
    if candidate.dfid_se_bootstrap is not None:
        texts.append(
            f"the bootstrap ({candidate.replicates} replicates) puts the standard error of dFID@{candidate.n} with the "
            f"models held fixed at {number_text(candidate.dfid_se_bootstrap)}, the influence function at "
            f"{number_text(candidate.at_n.images.value)}"
        )
    return ", ".join(texts)
