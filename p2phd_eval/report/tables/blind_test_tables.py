"""A blind test, as it is made and as it is scored: tables and documents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from p2phd_eval.report.console import ResultTable
from p2phd_eval.report.documents import document
from p2phd_eval.stats.proportions.binomial import binomial_p, half_width, trials_for_equivalence, trials_for_precision
from p2phd_eval.stats.proportions.forced_choice import ForcedChoiceScore, PersonScore, Response
from p2phd_eval.stats.verdicts.equivalence import Verdict

POWER = 0.8  # wished for, where trials to show "within" are counted
_ODD = 0.01  # p-value from which on a habit of a person is named
_WORDS = {
    Verdict.WITHIN: "cannot be told apart, within the margin",
    Verdict.NEGLIGIBLE: "can be told apart, by less than the margin",
    Verdict.WORSE: "candidate worse: chosen less often",
    Verdict.BETTER: "candidate better: chosen more often",
    Verdict.INCONCLUSIVE: "inconclusive",
}
_STYLES = {
    Verdict.WITHIN: "green",
    Verdict.NEGLIGIBLE: "green",
    Verdict.WORSE: "red",
    Verdict.BETTER: "cyan",
    Verdict.INCONCLUSIVE: "yellow",
}


@dataclass(frozen=True, kw_only=True)
class TrialsNeeded:
    """Numbers of trials, of all people together, that a wish asks for."""

    precision: float  # wished half width of the exact interval
    confidence: float
    for_precision: int
    margin: float
    for_within: int  # that show a share within 0.5 ± margin with a power of 80 %, where it is 0.5


def trials_needed(precision: float, margin: float, confidence: float) -> TrialsNeeded:
    """Count the trials for a precision and for a margin; raises InputError if one is out of its range."""
    return TrialsNeeded(
        precision=precision,
        confidence=confidence,
        for_precision=trials_for_precision(precision, confidence=confidence),
        margin=margin,
        for_within=trials_for_equivalence(margin, power=POWER, confidence=confidence),
    )


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


def page_document(
    page: Path,
    key: Path,
    identity: str,
    *,
    trials: int,
    shared: int,
    needed: TrialsNeeded,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Return the JSON document of a page that was made."""
    return document(
        "blind-test-page",
        file=str(page),
        key=str(key),
        page=identity,
        trials=trials,
        images=shared,
        half_width=half_width(trials, confidence=needed.confidence),
        needed=asdict(needed),
        warnings=list(warnings),
    )


def score_table(score: ForcedChoiceScore, baseline: str, candidate: str, needed: TrialsNeeded) -> ResultTable:
    """Return the table of a score: each person, and all of them over trials, images and people."""
    percent = 100 * score.confidence
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
        notes=(_sentence(score), *_remarks(score), *_more_trials(score, needed)),
        styles=(*("" for _ in score.people), *(_STYLES[score.verdict] for _ in pooled)),
    )


def score_document(
    score: ForcedChoiceScore,
    responses: Sequence[Response],
    needed: TrialsNeeded,
    *,
    page: str,
    baseline: str,
    candidate: str,
    reference: str | None,
) -> dict[str, Any]:
    """Return the JSON document of a score, with every answer."""
    return document(
        "blind-test",
        page=page,
        baseline=baseline,
        candidate=candidate,
        reference=reference,
        **{**asdict(score), "verdict": score.verdict.value},
        sentence=_sentence(score),
        remarks=_remarks(score),
        needed=asdict(needed),
        responses=[asdict(each) for each in responses],
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


def _sentence(score: ForcedChoiceScore) -> str:
    return (
        f"{_WORDS[score.verdict]}: the candidate's image was chosen in {score.chosen} of {score.trials} trials "
        f"({100 * score.share:.1f} %), and {score.reason}."
    )


def _remarks(score: ForcedChoiceScore) -> list[str]:
    people = len(score.people)
    if people == 1:
        remarks = ["One person: this says nothing about other people."]
    elif people == 2:
        remarks = [
            "The interval over trials takes people as alike; two people cannot show how much people differ, three can."
        ]
    else:
        remarks = [
            "The interval over trials takes all answers as independent, the one over people takes people as drawn at "
            "random, the one over images the images. A verdict needs all of them."
        ]
    if score.p_people_differ is not None:
        alike = score.p_people_differ >= 1 - score.confidence
        remarks.append(
            f"People {'do not differ detectably' if alike else 'differ'} in how often they choose the candidate "
            f"(p {score.p_people_differ:.2g} of people who are alike, Cochran's Q by permutation)"
            + ("." if alike else ": look at each one's share; the shares together are an average of different answers.")
        )
    for person in score.people:
        if binomial_p(person.left, score.images) < _ODD:
            remarks.append(
                f"warning: {person.person} chose the left image in {person.left} of {score.images} trials: a habit, "
                "which pulls the share towards 0.5"
            )
    return remarks


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
