"""A measured difference of one run against another, as tests of what stands beside a verdict need it."""

from p2phd_eval.stats.design import StandardError
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.measured_difference import MeasuredDifference
from p2phd_eval.stats.verdicts.scope import Scope


def measured(
    estimand: Estimand, estimate: float, *, error: StandardError, baseline: float = 10.0, baseline_refusal: str = ""
) -> MeasuredDifference:
    """The difference of a candidate from a baseline of this value, in scope A."""
    return MeasuredDifference(
        estimand=estimand,
        baseline_runs=(baseline,),
        runs=(baseline + estimate,),
        estimate=estimate,
        scope=Scope.CHECKPOINTS,
        images=error,
        error=error,
        noise=(None, None),
        n=50,
        population=None,
        baseline_refusal=baseline_refusal,
    )
