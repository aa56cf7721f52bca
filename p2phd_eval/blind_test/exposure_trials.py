"""The attention checks of a test under a time limit, its practice, and the identity of its page."""

import hashlib
from dataclasses import dataclass

import numpy as np

from p2phd_eval.blind_test.trials import BlindTest, Pixels, Trial
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.report.documents.exposure_plan import Arm, CheckOfKey, ExposureOfKey, ExposurePlan

PRACTICE = 2  # pairs before the first trial, which are not saved
_ACROSS = 6  # blocks of a disordered image, in each direction


@dataclass(frozen=True, kw_only=True)
class ExposureTest:
    """The pairs of a page under a time limit."""

    trials: tuple[Trial, ...]
    checks: tuple[Pixels, ...]  # (h, 2 w, 3), two images side by side
    practice: tuple[Pixels, ...]  # likewise
    key: ExposureOfKey
    page: str  # the identity of the page, from what people see and from the plan


def make_exposure_test(
    test: BlindTest, baseline: ImageSource, candidate: ImageSource, plan: ExposurePlan
) -> ExposureTest:
    """Add attention checks and practice to the trials of a blind test.

    Both are images of the user beside themselves with their blocks in disorder: whatever the networks are worth, the
    one in order looks more like a photo. They come from baseline and candidate in turn, and from pairs that are no
    trials where there are enough.
    """
    rng = np.random.default_rng([test.entropy, 1])
    spare = [image for image in test.ids if image not in {trial.id for trial in test.trials}]
    pool = [*rng.permutation(spare).tolist(), *rng.permutation([trial.id for trial in test.trials]).tolist()]
    named: tuple[tuple[Arm, ImageSource], ...] = (("baseline", baseline), ("candidate", candidate))
    keys, rows = [], []
    for k in range(plan.checks + PRACTICE):
        of, source = named[k % 2]
        image = pool[k % len(pool)]
        intact = bool(rng.integers(2))
        pixels = source.load(source.ids.index(image)).pixels
        pair = (pixels, in_disorder(pixels, rng)) if intact else (in_disorder(pixels, rng), pixels)
        keys.append(CheckOfKey(id=image, of=of, intact="first" if intact else "second"))
        rows.append(np.concatenate(pair, axis=1))
    checks, practice = tuple(rows[: plan.checks]), tuple(rows[plan.checks :])
    shown = _shown([*(trial.row for trial in test.trials), *checks, *practice])
    key = ExposureOfKey(plan=plan, shown=shown, checks=tuple(keys[: plan.checks]))
    return ExposureTest(trials=test.trials, checks=checks, practice=practice, key=key, page=key.identity())


def in_disorder(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return an image with its blocks in random order; what is left of them at its edges stays where it is."""
    height, width = (max(1, size // _ACROSS) for size in pixels.shape[:2])
    down, across = pixels.shape[0] // height, pixels.shape[1] // width
    whole = pixels[: down * height, : across * width]
    blocks = whole.reshape(down, height, across, width, 3).swapaxes(1, 2).reshape(-1, height, width, 3)
    mixed = rng.permutation(blocks).reshape(down, across, height, width, 3).swapaxes(1, 2)
    result: Pixels = pixels.copy()
    result[: down * height, : across * width] = mixed.reshape(whole.shape)
    return result


def _shown(rows: list[Pixels]) -> str:
    digest = hashlib.sha256(b"under a time limit")
    for row in rows:
        digest.update(f"\n{row.shape}\n".encode())
        digest.update(np.ascontiguousarray(row).data)
    return digest.hexdigest()
