"""People's result files of a test under a time limit and the key, to what counts of their answers."""

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from p2phd_eval.blind_test.scoring import answers_checksum, read_people
from p2phd_eval.errors import InputError
from p2phd_eval.report.documents.blind_test_documents import KeyDocument
from p2phd_eval.report.documents.exposure_documents import (
    ExposedAnswer,
    ExposedResponse,
    ExposureResults,
    ExposureTiming,
    Observer,
    Timing,
)
from p2phd_eval.report.documents.exposure_plan import ExposureOfKey, ExposurePlan


def read_exposed(key: KeyDocument, exposure: ExposureOfKey, paths: Sequence[Path]) -> tuple[ExposedResponse, ...]:
    """Read what people answered to a page under a time limit, checks among it, each with whether it counts.

    Raises `InputError` if a file is none of this page's, is damaged, does not hold each trial and check once, lacks a
    trial's timing, or repeats a session or a name.

    `paths`: the file that the page saved for each person; at least one.
    """
    responses: list[ExposedResponse] = []
    for path, name, saved in read_people(key.page, paths, ExposureResults):
        _require_answers(path, saved, key, exposure)
        responses += [_response(name, answer, key, exposure) for answer in saved.answers]
    return tuple(responses)


def exposed_checksum(page: str, session: str, answers: Sequence[ExposedAnswer]) -> str:
    """CRC-32 of the answers, as the page writes it; see `answers_checksum`."""
    return answers_checksum(page, session, [_flat(answer) for answer in answers])


def whole_frames(exposure: int, frame: float) -> int:
    """Return how many of a display's frames, in milliseconds, are nearest to an exposure: at least one.

    A half goes up, and what is nearly one too: 125 ms are 7.5 frames of 60 Hz, whose duration is known to a
    thousandth.
    """
    return max(1, math.floor(exposure / frame + 0.51))


def is_off(exposure: int, timing: Timing, plan: ExposurePlan) -> bool:
    """Whether a pair was shown for another time than was asked for, by the rule of the plan.

    Both by the timestamps of the animation frames and by the browser's clock in them: a script that is late moves the
    one, and a frame that is dropped the other.
    """
    frame = timing.frame / 1000
    if frame <= 0:
        return True
    whole = whole_frames(exposure, frame) * frame
    by_clock, by_frames = (timing.hidden - timing.shown) / 1000, timing.presented / 1000
    return max(abs(whole - exposure), abs(by_clock - whole), abs(by_frames - whole)) > plan.tolerance


def observers(responses: Sequence[ExposedResponse], plan: ExposurePlan) -> tuple[Observer, ...]:
    """Return what counts of each person, and who passed the checks; sorted by name."""
    return tuple(
        _observer(person, [each for each in responses if each.person == person], plan)
        for person in sorted({each.person for each in responses})
    )


def timings(responses: Sequence[ExposedResponse], plan: ExposurePlan) -> tuple[ExposureTiming, ...]:
    """Return how long the pairs of each exposure were shown, checks left aside."""
    found = []
    for exposure in plan.exposures:
        here = [each for each in responses if each.exposure == exposure and not each.check]
        shown = [each.presented for each in here if each.left_out is None and each.presented is not None]
        found.append(
            ExposureTiming(
                exposure=exposure,
                trials=sum(each.left_out in (None, "off") for each in here),
                off=sum(each.left_out == "off" for each in here),
                dropped=sum(each.left_out in ("hidden", "closed") for each in here),
                median=float(np.median(shown)) if shown else None,
                farthest=max(abs(each - exposure) for each in shown) if shown else None,
            )
        )
    return tuple(found)


def _require_answers(path: Path, saved: ExposureResults, key: KeyDocument, exposure: ExposureOfKey) -> None:
    numbers, pairs = [answer.trial for answer in saved.answers], len(key.trials) + len(exposure.checks)
    if sorted(numbers) != list(range(pairs)):
        raise InputError(
            str(path),
            expected=f"one answer to each of {len(key.trials)} trials and {len(exposure.checks)} attention checks",
            found=f"{len(numbers)} answers, to {len(set(numbers))} of them",
            fix="The page goes on where it was in the browser it was opened in; save the file at its end.",
        )
    for place, answer in enumerate(saved.answers):
        _require_answer(f"{path}, $.answers[{place}]", answer, key, exposure.plan)
    if saved.checksum != exposed_checksum(saved.page, saved.session, saved.answers):
        raise InputError(
            str(path),
            expected="answers as the page saved them",
            found="other ones: their checksum does not fit",
            fix="Take the file as it was saved, or ask for it again.",
        )


def _require_answer(where: str, answer: ExposedAnswer, key: KeyDocument, plan: ExposurePlan) -> None:
    planned = plan.exposures if answer.trial < len(key.trials) else (plan.check_exposure,)
    if answer.exposure not in planned:
        expected = f"an exposure of the plan, {' or '.join(map(str, planned))} ms"
        raise InputError(where, expected=expected, found=f"{answer.exposure} ms")
    given = [value is not None for value in (answer.chosen, answer.side, answer.milliseconds, answer.timing)]
    if answer.dropped is None and not all(given):
        missing = ("chosen", "side", "milliseconds", "timing")[given.index(False)]
        raise InputError(
            where,
            expected="an answer with its timing",
            found=f"no {missing!r}",
            fix="Take the file as it was saved: without how long a pair was shown, the answer says nothing of a time.",
        )
    if answer.dropped is not None and answer.chosen is not None:
        raise InputError(where, expected="no answer to a pair that was dropped", found=repr(answer.chosen))


def _response(person: str, answer: ExposedAnswer, key: KeyDocument, exposure: ExposureOfKey) -> ExposedResponse:
    check = answer.trial >= len(key.trials)
    if check:
        pair = exposure.checks[answer.trial - len(key.trials)]
        image, right = pair.id, pair.intact
    else:
        image, right = key.trials[answer.trial].id, key.trials[answer.trial].candidate
    timing = answer.timing if answer.dropped is None else None
    off = timing is not None and is_off(answer.exposure, timing, exposure.plan)
    return ExposedResponse(
        person=person,
        image=image,
        check=check,
        exposure=answer.exposure,
        presented=None if timing is None else timing.presented / 1000,
        frame=None if timing is None else timing.frame / 1000,
        left_out="off" if off else answer.dropped,
        agrees=None if answer.chosen is None else answer.chosen == right,
        left=None if answer.side is None else answer.side == "left",
        seconds=None if answer.milliseconds is None else answer.milliseconds / 1000,
    )


def _observer(person: str, responses: Sequence[ExposedResponse], plan: ExposurePlan) -> Observer:
    trials = [each for each in responses if not each.check]
    counted = [each for each in trials if each.left_out is None]
    checks = [each for each in responses if each.check and each.left_out is None]
    right = sum(each.agrees is True for each in checks)
    needed = plan.fewest_right(len(checks)) if plan.checks else None
    frames = [each.frame for each in responses if each.frame is not None]
    return Observer(
        person=person,
        trials=len(counted),
        chosen=sum(each.agrees is True for each in counted),
        left=sum(each.left is True for each in counted),
        off=sum(each.left_out == "off" for each in trials),
        dropped=sum(each.left_out in ("hidden", "closed") for each in trials),
        checks=len(checks),
        right=right,
        needed=needed,
        passed=plan.checks == 0 or (needed is not None and right >= needed),
        frame=float(np.median(frames)) if frames else None,
        seconds=float(np.median([each.seconds or 0.0 for each in counted])) if counted else None,
    )


def _flat(answer: ExposedAnswer) -> tuple[object, ...]:
    """What the page joins by commas for the checksum; nothing for what there is not."""
    timing = (None,) * 5 if answer.timing is None else msgspec.structs.astuple(answer.timing)
    given = (answer.trial, answer.exposure, answer.chosen, answer.side, answer.milliseconds, *timing, answer.dropped)
    return tuple("" if value is None else value for value in given)
