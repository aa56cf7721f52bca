"""Arms whose runs pair by seed, and whose images pair by id: what all of them have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.pairing import common_ids, examples, require_unique_ids
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.images.sources.repeated import photos_for
from p2phd_eval.images.sources.source import ImageSource

_BENIGN = (
    "Generate the baseline again in a way that ought to change nothing: the same seed once more, compiled, in another "
    "batch size, with another attention kernel."
)


@dataclass(frozen=True, kw_only=True)
class FloorRun:
    """The samples of one run."""

    seed: int  # runs of several arms pair by it
    images: ImageSource
    features: FeatureSet | None = None  # of these images; without them there is no KID and no FID


@dataclass(frozen=True, kw_only=True)
class FloorArm:
    """The runs of one arm, of different seeds."""

    name: str
    runs: tuple[FloorRun, ...]

    def run(self, seed: int) -> FloorRun:
        """Return the run of a seed that it has."""
        return next(each for each in self.runs if each.seed == seed)


@dataclass(frozen=True, kw_only=True)
class RealPhotos:
    """What quality is measured against."""

    images: ImageSource | None  # None: features alone, so that no distance to a photo can be had
    features: FeatureSet


def require_arms(baseline: FloorArm, candidates: Sequence[FloorArm], benign: Sequence[FloorArm]) -> None:
    """Raise `InputError` if there is no candidate or no benign variant, or a name repeats."""
    for given, wanted, fix in ((candidates, "a candidate", ""), (benign, "a benign variant of the baseline", _BENIGN)):
        if not given:
            raise InputError("noise floor", expected=f"at least {wanted}", found="none", fix=fix)
    names = [arm.name for arm in (baseline, *benign, *candidates)]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise InputError(
            "arms", expected="a name of its own for each", found=f"{repeated!r} {names.count(repeated)} times"
        )


def common_seeds(arms: Sequence[FloorArm]) -> tuple[tuple[int, ...], list[str]]:
    """Return the seeds that all arms have, sorted, and a note on others; raises `InputError` if there are none."""
    every = {arm.name: {run.seed for run in arm.runs} for arm in arms}
    common = set.intersection(*every.values())
    if not common:
        found = "; ".join(f"{name} has {', '.join(map(str, sorted(seeds))) or 'none'}" for name, seeds in every.items())
        raise InputError("noise floor", expected="a seed that the runs of all arms have", found=found)
    left_out = sorted(set().union(*every.values()) - common)
    lacking = [name for name, seeds in every.items() if not set(left_out) <= seeds]
    notes = [f"Seeds {', '.join(map(str, left_out))} are left out, which some of {', '.join(lacking)} do not have."]
    return tuple(sorted(common)), notes if left_out else []


def common_images(
    runs: Mapping[str, Sequence[FloorRun]], photos: ImageSource | None
) -> tuple[tuple[str, ...], ImageSource | None, list[str]]:
    """Return the ids that all samples have, the photos where these have them too, and notes on what is left out.

    `runs`: by arm. Raises `InputError` if ids repeat, or fewer than two are common.
    """
    named = [
        (name if len(own) == 1 else f"{name}, seed {run.seed}", run.images.ids)
        for name, own in runs.items()
        for run in own
    ]
    require_unique_ids(named)
    ids = common_ids(named)
    notes = []
    if photos is not None:
        require_unique_ids([("the real photos", photos.ids)])
        photos = photos_for(photos, [run.images for own in runs.values() for run in own])
        shared = sorted(set(ids) & set(photos.ids))
        if len(shared) < 2:
            notes.append(
                f"The real photos have other names than the samples ({examples(photos.ids)}; {examples(ids)}): there "
                "are no distances to photos, and quality is that of the FID alone."
            )
            photos = None
        else:
            ids = tuple(shared)
            named.append(("the real photos", photos.ids))
    missing = {name: len(set().union(*(own for _, own in named)) - set(own)) for name, own in named}
    if any(missing.values()):
        short = ", ".join(f"{name} ({count})" for name, count in missing.items() if count)
        notes.append(f"{len(ids)} images are compared; others are missing from {short}.")
    return ids, photos, notes
