"""The result of `compare` as a table."""

from collections.abc import Sequence

import numpy as np

from p2phd_eval.evaluation.comparison import ComparisonResult
from p2phd_eval.report.console import ResultTable
from p2phd_eval.report.wording import SCOPES, SET_PAIRINGS, VERDICTS, verdict_sentence
from p2phd_eval.stats.verdicts.compared_arms import FIDComparison


def comparison_table(result: ComparisonResult, real: str) -> ResultTable:
    """Return the table of a comparison, the baseline first."""
    rows: list[tuple[str, ...]] = [
        (result.baseline_name, _fids(result.baseline_fids), "-", "-", "-", "-", "-", "-", "-", "baseline")
    ]
    rows += [_row(candidate) for candidate in result.candidates]
    pairing = SET_PAIRINGS[result.pairing].format(n=result.n)
    clusters = "" if result.clusters is None else f", in {result.clusters} clusters"
    percent = 100 * result.confidence
    notes = [f"{SCOPES[result.scope]}. Positive differences: the candidate is worse."]
    notes += [line for candidate in result.candidates for line in _sentences(candidate)]
    notes += map(str, result.precision_shifts)
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
        styles=("", *(VERDICTS[candidate.verdict].style for candidate in result.candidates)),
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
        VERDICTS[candidate.verdict].words,
    )


def _fids(runs: Sequence[float]) -> str:
    if len(runs) == 1:
        return f"{runs[0]:.3f}"
    return f"{np.mean(runs):.3f} (sd {np.std(runs, ddof=1):.3f} of {len(runs)} seeds)"


def _sentences(candidate: FIDComparison) -> list[str]:
    decision, name = candidate.decision, candidate.name
    lines = [verdict_sentence(candidate), f"{name}: margin {_margin(candidate)}; {_p_values(candidate)}."]
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
