"""The companion of a verdict: a second measure, free of bias, that can make the verdict more careful, never less.

FID@n holds the bias of n images, and the bias depends on how diverse the images are: less diverse ones lower FID@n by
themselves, and what a candidate loses in fidelity may hide behind that. The cubic KID hardly sees noise or spread.
Where one of them is judged, a measure that has neither weakness is asked too.
"""

import dataclasses
from collections.abc import Sequence

from p2phd_eval.stats.confidence import t_interval
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.equivalence import Difference, EquivalenceResult, Verdict, equivalence_test
from p2phd_eval.stats.verdicts.measured_difference import MeasuredDifference

# What may stand beside a judged estimand: the first whose difference and whose baseline value are not refused.
_COMPANIONS = {Estimand.FID_AT_N: (Estimand.FID, Estimand.BLOCK_FID, Estimand.KID_RQ), Estimand.KID: (Estimand.KID_RQ,)}
_FINDINGS = (Verdict.WORSE, Verdict.BETTER)
_ENOUGH_FOR_DOUBT = 0.95


@dataclasses.dataclass(frozen=True, kw_only=True)
class Companion:
    """What the companion finds, and what it does to the verdict."""

    difference: MeasuredDifference
    test: EquivalenceResult  # of it alone, with its own share of the margin; see `companion_of` for its confidence
    before: Verdict  # the verdict on what is judged, by itself
    after: Verdict  # the same, or inconclusive

    @property
    def estimand(self) -> Estimand:
        """What it estimates."""
        return self.difference.estimand

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return its two-sided interval."""
        return t_interval(self.difference.estimate, self.difference.error, confidence)

    @property
    def objects(self) -> bool:
        """Whether it made the verdict more careful."""
        return self.after is not self.before


def companion_of(
    verdict: Verdict,
    judged: MeasuredDifference,
    margin: float | None,
    measured: Sequence[MeasuredDifference],
    *,
    confidence: float,
) -> Companion | None:
    """Return what stands beside a verdict; None where what is judged needs nothing beside it, or nothing can be had.

    * within and negligible become inconclusive where the companion finds a difference, and does not show it to lie
      inside its own share of the margin: the part of its baseline's value that the margin is of the judged one's.
    * better becomes inconclusive unless the companion finds the candidate better too.
    * worse stands.

    The companion's tests are not adjusted for the number of candidates: it can only take claims back. Nor does it need
    more than 95 % to find what speaks against a claim: whoever asks for more asks it of claims, not of doubts.

    Parameters
    ----------
    verdict : Verdict
        On the judged difference, by itself.
    judged : MeasuredDifference
    margin : float or None
        The judged difference's.
    measured : sequence of MeasuredDifference
        All that were measured.
    confidence : float
        In (0.5, 1).
    """
    by_estimand = {each.estimand: each for each in measured}
    possible = [by_estimand[each] for each in _COMPANIONS.get(judged.estimand, ()) if each in by_estimand]
    # Without its baseline's value there is no share of it.
    difference = next((each for each in possible if not (each.refusal or each.baseline_refusal)), None)
    if difference is None:
        return None
    share = None if margin is None or judged.baseline <= 0 else margin * difference.baseline / judged.baseline
    beside = Difference(
        estimate=difference.estimate, error=difference.error, margin=share if share is not None and share > 0 else None
    )
    test = equivalence_test(beside, confidence=confidence)
    if verdict is not Verdict.BETTER and test.verdict not in _FINDINGS and confidence > _ENOUGH_FOR_DOUBT:
        doubt = equivalence_test(beside, confidence=_ENOUGH_FOR_DOUBT)
        test = doubt if doubt.verdict in _FINDINGS else test
    equivalent = verdict in (Verdict.WITHIN, Verdict.NEGLIGIBLE)
    objects = (equivalent and test.verdict in _FINDINGS) or (
        verdict is Verdict.BETTER and test.verdict is not Verdict.BETTER
    )
    return Companion(
        difference=difference, test=test, before=verdict, after=Verdict.INCONCLUSIVE if objects else verdict
    )
