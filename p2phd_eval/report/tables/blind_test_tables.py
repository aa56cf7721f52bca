"""A blind test, as it is made and as it is scored: tables."""

import math
from collections.abc import Sequence

from p2phd_eval.report.console import ResultTable
from p2phd_eval.report.documents.blind_test_documents import (
    POWER,
    KeyDocument,
    TrialsNeeded,
    claim_names,
    percent,
    score_remarks,
    score_sentences,
)
from p2phd_eval.report.documents.exposure_plan import ExposurePlan, exposure_text
from p2phd_eval.report.wording import VERDICTS
from p2phd_eval.stats.proportions.binomial import half_width
from p2phd_eval.stats.proportions.forced_choice import ForcedChoiceScore
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stores.store_path import AnyPath


def page_table(
    page: AnyPath,
    key: AnyPath,
    *,
    trials: int,
    shared: int,
    needed: TrialsNeeded,
    warnings: Sequence[str],
    plan: ExposurePlan | None = None,
) -> ResultTable:
    """Return what was made, and how many people it takes."""
    width = half_width(trials, confidence=needed.confidence)
    return ResultTable(
        title=f"Blind test: {page}",
        columns=("quantity", "value"),
        rows=(
            ("trials a person", f"{trials} of {shared} images"),
            *(() if plan is None else _of_the_plan(plan, trials)),
            (f"{100 * needed.confidence:.4g} % interval of one person", f"± {percent(width)} % at most"),
            (f"for ± {percent(needed.precision)} % at most", _people(needed.for_precision, trials)),
            (f"to show 50 ± {percent(needed.margin)} % where it is 50 %", _people(needed.for_within, trials)),
            ("page, to send", str(page)),
            ("key, to keep", str(key)),
        ),
        notes=(
            f"With so many trials, 50 ± {percent(needed.margin)} % is shown in {100 * POWER:.0f} % of such tests, for "
            "the people and images that were asked. For others like them it takes more where people or images differ.",
            *(f"warning: {warning}" for warning in warnings),
        ),
    )


def claims_table(score: ForcedChoiceScore, key: KeyDocument, needed: TrialsNeeded) -> ResultTable:
    """Return the table of the two claims, each with its verdict, and in the notes what they say."""
    confidence = 100 * score.confidence
    claims = {name: claim for name, claim in claim_names(score).items() if claim is not None}
    return ResultTable(
        title=f"Blind test: {key.candidate.images} against {key.baseline.images}, judged by "
        f"{_count(len(score.people), 'person', 'people')}",
        columns=(
            "claim on",
            "verdict",
            f"{confidence:.4g} % interval",
            f"{2 * confidence - 100:.4g} % interval",
            "p of 50 %",
            f"p outside ± {percent(score.margin)} %",
        ),
        rows=tuple(
            (
                name,
                VERDICTS[claim.verdict].of_people,
                _interval(claim.interval),
                _interval(claim.tost_interval),
                f"{claim.p_difference:.2g}",
                f"{claim.p_equivalence:.2g}",
            )
            for name, claim in claims.items()
        ),
        notes=(
            *score_sentences(score),
            *score_remarks(score),
            "p of 50 %: how often chance would give a share as far from 50 %, were it 50 %. p outside "
            f"± {percent(score.margin)} %: how often it would give one as near to 50 %, were it that far away.",
            *_more_trials(score, needed),
        ),
        styles=tuple(VERDICTS[claim.verdict].style for claim in claims.values()),
    )


def people_table(score: ForcedChoiceScore) -> ResultTable:
    """Return the table of the people, one a row."""
    return ResultTable(
        title="Each person alone",
        columns=(
            "person",
            "candidate chosen",
            "share",
            f"{100 * score.confidence:.4g} % interval",
            "p of 50 %",
            "left chosen",
            "median time",
        ),
        rows=tuple(
            (
                each.person,
                f"{each.chosen} of {score.images}",
                f"{percent(each.share)} %",
                _interval(each.interval),
                f"{each.p_difference:.2g}",
                f"{each.left} of {score.images}",
                f"{each.seconds:.1f} s",
            )
            for each in score.people
        ),
    )


def _of_the_plan(plan: ExposurePlan, trials: int) -> tuple[tuple[str, str], ...]:
    exposures = ", ".join(map(exposure_text, plan.exposures))
    each = plan.fixation + plan.mask
    minutes = (
        trials * (each + sum(plan.exposures) / len(plan.exposures)) + plan.checks * (each + plan.check_exposure)
    ) / 60_000
    checks = f"{plan.checks}, of which {plan.fewest_right(plan.checks)} must be right" if plan.checks else "none"
    return (
        ("shown for", exposures),
        ("trials of a person at each", f"{trials / len(plan.exposures):.3g}"),
        ("attention checks", checks),
        ("time of a person, without the answers", f"{minutes:.1f} min"),
    )


def _more_trials(score: ForcedChoiceScore, needed: TrialsNeeded) -> list[str]:
    if score.asked.verdict is not Verdict.INCONCLUSIVE:
        return []
    return [
        f"Trials of all people together: {needed.for_precision} for an interval of ± {percent(needed.precision)} % at "
        f"most; {needed.for_within} to show a share within 50 ± {percent(needed.margin)} %, in {100 * POWER:.0f} % of "
        "such tests, where it is 50 %."
    ]


def _interval(interval: tuple[float, float]) -> str:
    return f"({percent(interval[0])}, {percent(interval[1])}) %"


def _people(needed: int, trials: int) -> str:
    return f"{needed} trials: {_count(math.ceil(needed / trials), 'person', 'people')}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
