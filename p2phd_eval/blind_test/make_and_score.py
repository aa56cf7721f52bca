"""A blind test in two calls: making its page and key, and scoring what people answered."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from p2phd_eval.blind_test.exposure_trials import make_exposure_test
from p2phd_eval.blind_test.exposure_wishes import read_exposures
from p2phd_eval.blind_test.key import key_path, read_key, write_key
from p2phd_eval.blind_test.question_page import render_exposures, render_questions
from p2phd_eval.blind_test.scoring import read_responses
from p2phd_eval.blind_test.trials import BlindTest, make_trials
from p2phd_eval.errors import LARGEST_SEED, InputError, require_whole
from p2phd_eval.files import atomic_write, page_bytes
from p2phd_eval.images.replacing import require_replaceable
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.progress import ProgressFactory, silent
from p2phd_eval.report.documents.blind_test_documents import KeyDocument, TrialsNeeded, score_sentences, trials_needed
from p2phd_eval.report.documents.exposure_plan import FEWEST_CHECKS, ExposureOfKey, ExposurePlan
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.proportions.binomial import require_share_margin
from p2phd_eval.stats.proportions.forced_choice import ForcedChoiceScore, Response, score_choices
from p2phd_eval.stores.store_path import AnyPath, as_path

_MOST_PAIRS = 1_000_000
_MOST_CHECKS = 100
DEFAULT_CHECKS = 12  # a guesser passes them in 2 of 100 cases, who looks and slips in 2 % of pairs fails in 2 of 1000


@dataclass(frozen=True, kw_only=True)
class MadeBlindTest:
    """A page that was written, and its key."""

    page: AnyPath  # to send
    key: AnyPath  # to keep
    identity: str  # of the page, as in the key
    test: BlindTest  # what the page shows
    exposure: ExposureOfKey | None  # times, rules and checks; None without a time limit
    needed: TrialsNeeded

    def __repr__(self) -> str:
        shown = f"{len(self.test.trials)} of {self.test.shared} images"
        return f"MadeBlindTest: {self.page}, to send, shows {shown}; {self.key}, to keep, says whose they are"


@dataclass(frozen=True, kw_only=True)
class ScoredBlindTest:
    """What people answered to a page, and what it shows."""

    key: KeyDocument
    responses: tuple[Response, ...]
    score: ForcedChoiceScore
    needed: TrialsNeeded

    def __repr__(self) -> str:
        return f"ScoredBlindTest: {' '.join(score_sentences(self.score))}"


def make_blind_test(
    baseline: str | os.PathLike[str],
    candidate: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    reference: str | os.PathLike[str] | None = None,
    trials: int | None = None,
    exposure: str | None = None,
    attention_checks: int | None = None,
    seed: int = 0,
    margin: float = 0.1,
    half_width: float = 0.05,
    confidence: float = 0.95,
    progress: ProgressFactory = silent,
) -> MadeBlindTest:
    """Write a page that asks people to tell the candidate's images from the baseline's, and beside it the key.

    Parameters
    ----------
    baseline, candidate : path-like
        Their images, paired by the names of their label maps.
    out : path-like
        The page; the key of `page.html` is `page.key.json`.
    reference : path-like, optional
        The real photos, shown beside each pair.
    trials : int, optional
        Pairs to judge; by default 100, or all if there are fewer.
    exposure : str, optional
        Show each pair for one of these times alone, such as "125ms..8s" for doublings or "250ms,1s". The margin and
        the confidence are then settled with the page.
    attention_checks : int, optional
        Pairs with a known answer among the timed trials: 0, or 5 or more; by default 12.
    seed : int
        Another one draws other pairs, sides and another order.
    margin, half_width, confidence : float
        Wishes, which say how many trials they take: to show a share within 0.5 ± margin, and an interval that reaches
        no farther than ± half_width.
    progress : ProgressFactory, optional
        Opened for the reading of the images.

    Raises
    ------
    InputError
        If images cannot be paired or read, a number is out of its range, or the key of another page is there.

    Examples
    --------
    >>> make_blind_test("runs/fp32/samples", "runs/amp/samples", "page.html", reference="data/test_img").key
    """
    require_whole(2, _MOST_PAIRS, {"--trials": trials})
    require_whole(0, LARGEST_SEED, {"--seed": seed})
    needed = _needed(margin, half_width, confidence)
    page, photos = as_path(out), None if reference is None else as_path(reference)
    plan = _plan(exposure, attention_checks, photos, margin, confidence)
    for each in (page, key_path(page)):
        require_replaceable(each, "--out")
    sources = open_source(baseline), open_source(candidate)
    with progress("images", "trials") as on_progress:
        test = make_trials(
            *sources,
            None if photos is None else open_source(photos, generated=False),
            trials=trials,
            seed=seed,
            multiple=1 if plan is None else len(plan.exposures),
            on_progress=on_progress,
        )
    timed = None if plan is None else make_exposure_test(test, *sources, plan)
    key, added = key_path(page), None if timed is None else timed.key
    write_key(
        key, test, baseline=as_path(baseline), candidate=as_path(candidate), reference=photos, seed=seed, exposure=added
    )
    with atomic_write(page) as stream:
        stream.write(page_bytes(render_questions(test) if timed is None else render_exposures(timed)))
    identity = test.page if timed is None else timed.page
    return MadeBlindTest(page=page, key=key, identity=identity, test=test, exposure=added, needed=needed)


def score_blind_test(
    key: str | os.PathLike[str],
    results: Sequence[str | os.PathLike[str]],
    *,
    margin: float = 0.1,
    half_width: float = 0.05,
    confidence: float = 0.95,
) -> ScoredBlindTest:
    """Score what people answered to a page: each alone, and all of them together in two verdicts.

    `score.asked` is on these people and these images. `score.population` is on people and images like these, and None
    with fewer than five of either.

    Parameters
    ----------
    key : path-like
        The key that was written beside the page.
    results : sequence of path-like
        The file that the page saved for each person.
    margin : float
        How far from 0.5 a share still counts as even.
    half_width : float
        As for `make_blind_test`.
    confidence : float
        The level of the intervals.

    Raises
    ------
    InputError
        If the key or a file of results cannot be used, or a number is out of its range.

    Examples
    --------
    >>> score_blind_test("page.key.json", ["ada.json", "bob.json"]).score.asked.verdict
    """
    needed = _needed(margin, half_width, confidence)
    read = read_key(Path(key))
    if read.exposure is not None:
        raise InputError(
            str(key),
            expected="the key of a page without a time limit",
            found="that of one with exposures",
            fix="Score it with score_exposure_test.",
        )
    responses = read_responses(read, [Path(path) for path in results])
    score = score_choices(responses, margin=margin, confidence=confidence)
    return ScoredBlindTest(key=read, responses=responses, score=score, needed=needed)


def _needed(margin: float, half_width: float, confidence: float) -> TrialsNeeded:
    # The cheap failures first: before images are read.
    require_share_margin(margin)
    require_confidence(confidence)
    return trials_needed(half_width, margin, confidence)


def _plan(
    exposure: str | None, checks: int | None, photos: AnyPath | None, margin: float, confidence: float
) -> ExposurePlan | None:
    if exposure is None:
        if checks is not None:
            raise InputError("--attention-checks", expected="--exposure beside it", found="none")
        return None
    exposures = read_exposures(exposure)
    if photos is not None:
        raise InputError(
            "--reference",
            expected="nothing beside --exposure",
            found=str(photos),
            fix="A pair that is seen for a moment is compared with each other, not with a third image.",
        )
    require_whole(0, _MOST_CHECKS, {"--attention-checks": checks})
    wanted = DEFAULT_CHECKS if checks is None else checks
    if 0 < wanted < FEWEST_CHECKS:
        raise InputError(
            "--attention-checks",
            expected=f"0, or {FEWEST_CHECKS} or more: fewer are passed by guessing",
            found=str(wanted),
        )
    return ExposurePlan(exposures=exposures, checks=wanted, margin=margin, confidence=confidence)
