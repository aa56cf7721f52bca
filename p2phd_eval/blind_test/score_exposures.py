"""The score of a blind test under a time limit, from the key and what people saved."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from p2phd_eval.blind_test.exposure_scoring import observers, read_exposed, timings
from p2phd_eval.blind_test.key import read_key
from p2phd_eval.errors import InputError
from p2phd_eval.report.documents.blind_test_documents import KeyDocument
from p2phd_eval.report.documents.exposure_documents import ExposedResponse, ExposureTiming, Observer
from p2phd_eval.report.documents.exposure_plan import ExposurePlan
from p2phd_eval.stats.proportions.exposed_choice import ExposedChoice, ExposureAnalysis, analyse_exposures


@dataclass(frozen=True, kw_only=True)
class ScoredExposureTest:
    """What people answered to a page under a time limit, and what it shows."""

    key: KeyDocument
    plan: ExposurePlan
    responses: tuple[ExposedResponse, ...]
    people: tuple[Observer, ...]
    timing: tuple[ExposureTiming, ...]
    analysis: ExposureAnalysis  # of the people who passed the attention checks: the main result
    everyone: ExposureAnalysis  # of all people

    def __repr__(self) -> str:
        passed, share = sum(each.passed for each in self.people), self.analysis.overall.share
        shown = "" if share is None else f", the candidate's image was chosen in {100 * share:.1f} % of the trials"
        return f"ScoredExposureTest: of {len(self.people)} people, the {passed} who passed the checks count{shown}"


def score_exposure_test(key: str | os.PathLike[str], results: Sequence[str | os.PathLike[str]]) -> ScoredExposureTest:
    """Score what people answered to a page under a time limit, by the rules that were settled with it.

    What counts are trials that were shown for the time that was asked for, of people who passed the attention checks.
    Margin and confidence are the plan's.

    Parameters
    ----------
    key : path-like
        The key that was written beside the page.
    results : sequence of path-like
        The file that the page saved for each person.

    Raises
    ------
    InputError
        If the key or a file of results cannot be used, or nothing is left that counts.

    Examples
    --------
    >>> score_exposure_test("page.key.json", ["ada.json", "bob.json"]).analysis.overall.asked.verdict
    """
    read = read_key(Path(key))
    if read.exposure is None:
        raise InputError(
            str(key),
            expected="the key of a page under a time limit",
            found="that of one without",
            fix="Score it with score_blind_test.",
        )
    plan = read.exposure.plan
    responses = read_exposed(read, read.exposure, [Path(path) for path in results])
    people = observers(responses, plan)
    passed = {each.person for each in people if each.passed}
    if not passed:
        raise InputError(
            "results",
            expected="somebody who passed the attention checks",
            found=f"none of {len(people)}: {_checks_of(people)}",
            fix="Ask other people; the rule was settled with the page.",
        )
    return ScoredExposureTest(
        key=read,
        plan=plan,
        responses=responses,
        people=people,
        timing=timings(responses, plan),
        analysis=_analysis([each for each in responses if each.person in passed], plan),
        everyone=_analysis(responses, plan),
    )


def _analysis(responses: Sequence[ExposedResponse], plan: ExposurePlan) -> ExposureAnalysis:
    counted = [
        ExposedChoice(person=each.person, image=each.image, exposure=each.exposure, candidate=each.agrees)
        for each in responses
        if not each.check and each.left_out is None and each.agrees is not None
    ]
    if len(counted) < 2:
        trials = sum(not each.check for each in responses)
        raise InputError(
            "results",
            expected=f"two trials or more whose pairs were shown within {plan.tolerance} ms of their time",
            found=f"{len(counted)} of {trials}",
            fix="Use a browser that tells the time to the millisecond, on a machine that does nothing else.",
        )
    return analyse_exposures(counted, plan.exposures, margin=plan.margin, confidence=plan.confidence)


def _checks_of(people: Sequence[Observer]) -> str:
    return ", ".join(f"{each.person} had {each.right} of {each.checks} right" for each in people[:5])
