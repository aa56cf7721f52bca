"""What a participant's browser would save of a page under a time limit, for the tests of scoring."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from p2phd_eval.blind_test.exposure_scoring import exposed_checksum, whole_frames
from p2phd_eval.blind_test.key import read_key
from p2phd_eval.report.documents.exposure_documents import ExposedAnswer, ExposureResults, Timing

FRAME = 16_667  # microseconds


def timing(exposure: int, *, late: int = 0, frame: int = FRAME) -> Timing:
    """A pair that was shown for whole frames, and by some microseconds longer."""
    frames = whole_frames(exposure, frame / 1000)
    lasted = frames * frame + late
    return Timing(frame=frame, frames=frames, shown=5_000_000, hidden=5_000_000 + lasted, presented=lasted)


def exposed_results(
    key: Path,
    agrees: Callable[[int, int], bool],
    *,
    person: str = "Ada",
    change: Callable[[ExposedAnswer], ExposedAnswer] = lambda answer: answer,
) -> ExposureResults:
    """The answers of someone who takes the candidate, or of a check the image in order, where `agrees` says so of the
    trial's number and its exposure, balanced over the trials; `change` is what happened to some of them."""
    read = read_key(key)
    assert read.exposure is not None
    plan, other = read.exposure.plan, {"first": "second", "second": "first"}
    right = [*(each.candidate for each in read.trials), *(each.intact for each in read.exposure.checks)]
    answers = []
    for trial, place in enumerate(right):
        planned = plan.exposures[(trial + len(person)) % len(plan.exposures)]
        exposure = planned if trial < len(read.trials) else plan.check_exposure
        answer = ExposedAnswer(
            trial=trial,
            exposure=exposure,
            chosen=place if agrees(trial, exposure) else other[place],  # type: ignore[arg-type]
            side=("left", "right")[trial % 2],  # type: ignore[arg-type]
            milliseconds=600 + trial,
            timing=timing(exposure),
            dropped=None,
        )
        answers.append(change(answer))
    return ExposureResults(
        page=read.page,
        session=person,
        participant=person,
        checksum=exposed_checksum(read.page, person, answers),
        answers=tuple(answers),
    )


def written(path: Path, document: ExposureResults | dict[str, Any]) -> Path:
    """A file of results as it is or, as a dictionary, as somebody edited it."""
    path.write_bytes(msgspec.json.encode(document))
    return path


def dropped(answer: ExposedAnswer) -> ExposedAnswer:
    """The same pair where the page was hidden meanwhile."""
    changes = {"chosen": None, "side": None, "milliseconds": None, "timing": None, "dropped": "hidden"}
    return msgspec.structs.replace(answer, **changes)
