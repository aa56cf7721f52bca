"""A blind test, as it is made and as it is scored: tables."""

import math
from collections.abc import Sequence
from pathlib import Path

from p2phd_eval.report.console import ResultTable
from p2phd_eval.report.documents.blind_test_documents import (
    POWER,
    KeyDocument,
    TrialsNeeded,
    score_remarks,
    score_sentence,
)
from p2phd_eval.report.wording import VERDICTS
from p2phd_eval.stats.proportions.binomial import half_width
from p2phd_eval.stats.proportions.forced_choice import ForcedChoiceScore, PersonScore
from p2phd_eval.stats.verdicts.equivalence import Verdict


def page_table(
    page: Path, key: Path, *, trials: int, shared: int, needed: TrialsNeeded, warnings: Sequence[str]
) -> ResultTable:
    """Return what was made, and how many people it takes."""
    percent = f"{100 * needed.confidence:.4g} %"
    width = half_width(trials, confidence=needed.confidence)
    return ResultTable(
        title=f"Blind test: {page}",
        columns=("quantity", "value"),
        rows=(
            ("trials a person", f"{trials} of {shared} images"),
            (f"{percent} interval of one person", f"± {width:.3f} at most"),
            (f"for ± {needed.precision:.4g} at most", _people(needed.for_precision, trials)),
            (f"to show 0.5 ± {needed.margin:.4g} where it is 0.5", _people(needed.for_within, trials)),
            ("page, to send", str(page)),
            ("key, to keep", str(key)),
        ),
        notes=(
            f"The trials to show 0.5 ± {needed.margin:.4g} are those for a power of {100 * POWER:.0f} %.",
            *(f"warning: {warning}" for warning in warnings),
        ),
    )


def score_table(score: ForcedChoiceScore, key: KeyDocument, needed: TrialsNeeded) -> ResultTable:
    """Return the table of a score: each person, and all of them over trials, images and people."""
    baseline, candidate, percent = key.baseline.images, key.candidate.images, 100 * score.confidence
    pooled = [
        (
            f"all, over {each.units} {each.unit}",
            f"{score.chosen} of {score.trials}",
            f"{score.share:.3f}",
            _interval(each.interval),
            _interval(each.tost_interval),
            f"{each.p_difference:.2g}",
            f"{each.p_equivalence:.2g}",
            "-",
            "-",
        )
        for each in score.analyses
    ]
    return ResultTable(
        title=f"Blind test: {candidate} against {baseline}, judged by {_count(len(score.people), 'person', 'people')}",
        columns=(
            "person",
            "candidate chosen",
            "share",
            f"{percent:.4g} % interval",
            f"{2 * percent - 100:.4g} % interval",
            "p of 0.5",
            f"p outside ± {score.margin:.4g}",
            "left chosen",
            "median time",
        ),
        rows=(*(_person(each, score.images) for each in score.people), *pooled),
        notes=(score_sentence(score), *score_remarks(score), *_more_trials(score, needed)),
        styles=(*("" for _ in score.people), *(VERDICTS[score.verdict].style for _ in pooled)),
    )


def _person(person: PersonScore, trials: int) -> tuple[str, ...]:
    return (
        person.person,
        f"{person.chosen} of {trials}",
        f"{person.share:.3f}",
        _interval(person.interval),
        "-",
        f"{person.p_difference:.2g}",
        "-",
        f"{person.left} of {trials}",
        f"{person.seconds:.1f} s",
    )


def _more_trials(score: ForcedChoiceScore, needed: TrialsNeeded) -> list[str]:
    if score.verdict is not Verdict.INCONCLUSIVE:
        return []
    return [
        f"Trials of all people together: {needed.for_precision} for an interval of ± {needed.precision:.4g} at most; "
        f"{needed.for_within} to show a share within 0.5 ± {needed.margin:.4g} with a power of {100 * POWER:.0f} %, "
        "where it is 0.5."
    ]


def _interval(interval: tuple[float, float]) -> str:
    return f"({interval[0]:.3f}, {interval[1]:.3f})"


def _people(needed: int, trials: int) -> str:
    return f"{needed} trials: {_count(math.ceil(needed / trials), 'person', 'people')}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
