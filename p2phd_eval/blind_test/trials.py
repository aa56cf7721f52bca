"""The trials of a blind test: which images, which of a pair stands first, and the pixels that people see."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.pairing import common_ids, require_unique_ids
from p2phd_eval.features.inputs import naming_choices
from p2phd_eval.files import name_bytes
from p2phd_eval.images.condition_ids import condition_clusters
from p2phd_eval.images.oddities import TURN_PIXELS, Oddity
from p2phd_eval.images.sources.repeated import photos_for
from p2phd_eval.images.sources.source import ImageSource, LoadedImage
from p2phd_eval.progress import OnProgress, unwatched

Pixels = npt.NDArray[np.uint8]

DEFAULT_TRIALS = 100  # fewer where there are fewer images


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One pair of images of the same label map."""

    id: str  # the label map's id
    candidate_first: bool  # whether the candidate's image is the first of the row
    row: Pixels  # (h, w * k, 3): two images side by side, and the photo if there is one


@dataclass(frozen=True, kw_only=True)
class BlindTest:
    """The trials of a page, in its order."""

    page: str  # SHA-256 of what people see, hexadecimal: the identity of the page
    trials: tuple[Trial, ...]
    with_photo: bool  # whether each row ends with the photo
    ids: tuple[str, ...]  # of the images that all folders have; the trials are a random choice of them
    warnings: tuple[str, ...]
    entropy: int = field(repr=False)  # of the draw: from the seed and the content of all files, and not in the page

    @property
    def shared(self) -> int:
        """How many images all folders have."""
        return len(self.ids)


def make_trials(
    baseline: ImageSource,
    candidate: ImageSource,
    reference: ImageSource | None = None,
    *,
    trials: int | None = None,
    seed: int = 0,
    multiple: int = 1,
    on_progress: OnProgress = unwatched,
) -> BlindTest:
    """Draw the trials of a blind test.

    The draw depends on the seed and on the content of all image files of both folders. Who has the page and guesses
    the seed cannot draw again: the page holds pixels of some of the images, and none of the files.

    `baseline` and `candidate`: paired by id; the images of a pair have one size. `reference`: the real photos, shown
    beside each pair, at its size; the only photo of a condition serves for each of its samples. `trials`: at least 2
    and at most as many as there are shared ids; by default 100, or all if there are fewer. Where conditions have
    several samples one of each is drawn, so that trials are independent. `seed`: not negative. `multiple`: of what the
    default number of trials is a multiple where there are so many. Raises `InputError` if ids repeat or fewer than two
    are shared, there are fewer than `trials`, or the images of a pair differ in size.
    """
    sources = [baseline, candidate]
    if reference is not None:
        sources.append(photos_for(reference, sources))
    named = [(source.name, source.ids) for source in sources]
    with naming_choices(sources):
        require_unique_ids(named, {source.name: source.names for source in sources})
        shared = common_ids(named)
        conditions = condition_clusters(shared) or shared
        most, what = len(set(conditions)), "images" if conditions is shared else "conditions of images"
        default = min(DEFAULT_TRIALS, most)
        wanted = (default // multiple * multiple or default) if trials is None else trials
        if not 2 <= wanted <= most:
            raise InputError(
                "--trials", expected=f"2 to {most}, the number of {what} that all share", found=str(wanted)
            )
    places = [{image: index for index, image in enumerate(source.ids)} for source in sources]
    entropy = _entropy(seed, shared, sources[:2], places[:2])
    rng = np.random.default_rng(entropy)
    order = rng.permutation(len(shared)).tolist()
    first_of = {conditions[index]: index for index in reversed(order)}
    chosen = [shared[index] for index in order if first_of[conditions[index]] == index][:wanted]
    first = rng.integers(0, 2, wanted).astype(bool)
    drawn, formats, equal = [], set(), 0
    for done, (image, candidate_first) in enumerate(zip(chosen, first.tolist(), strict=True)):
        loaded = [source.load(place[image]) for source, place in zip(sources, places, strict=True)]
        _require_one_size(loaded, sources, [place[image] for place in places])
        formats.add((loaded[0].format, loaded[1].format))
        equal += int(np.array_equal(loaded[0].pixels, loaded[1].pixels))
        drawn.append(Trial(id=image, candidate_first=candidate_first, row=_row(loaded, candidate_first)))
        on_progress(done + 1, wanted)
    return BlindTest(
        page=_identity(drawn, with_photo=reference is not None),
        trials=tuple(drawn),
        with_photo=reference is not None,
        ids=tuple(shared),
        warnings=_warnings(sources, len(shared), formats, equal, wanted),
        entropy=entropy,
    )


def _entropy(seed: int, shared: tuple[str, ...], sources: list[ImageSource], places: list[dict[str, int]]) -> int:
    digest = hashlib.sha256(str(seed).encode())
    for source, place in zip(sources, places, strict=True):
        for image in shared:
            digest.update(name_bytes(f"\n{image}\n{source.content_sha256(place[image])}"))
    return int.from_bytes(digest.digest(), "big")


def _identity(trials: list[Trial], *, with_photo: bool) -> str:
    digest = hashlib.sha256(f"blind test, photo {with_photo}".encode())
    for trial in trials:
        digest.update(f"\n{trial.row.shape}\n".encode())
        digest.update(np.ascontiguousarray(trial.row).data)
    return digest.hexdigest()


def _row(loaded: list[LoadedImage], candidate_first: bool) -> Pixels:
    first, second = (1, 0) if candidate_first else (0, 1)
    height, width = loaded[0].pixels.shape[:2]
    images = [loaded[first].pixels, loaded[second].pixels]
    # The photo is shown as large as what imitates it: its own resolution would set it apart from both.
    images += [_resized(each.pixels, width, height) for each in loaded[2:]]
    return np.concatenate(images, axis=1)


def _resized(pixels: Pixels, width: int, height: int) -> Pixels:
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def _require_one_size(loaded: list[LoadedImage], sources: list[ImageSource], places: list[int]) -> None:
    sizes = ["{1} x {0}".format(*each.pixels.shape) for each in loaded[:2]]
    if sizes[0] != sizes[1]:
        raise InputError(
            sources[1].describe(places[1]),
            expected=f"the size of {sources[0].describe(places[0])}, {sizes[0]}",
            found=sizes[1],
            fix=_size_advice(loaded, sources, places),
        )


def _size_advice(loaded: list[LoadedImage], sources: list[ImageSource], places: list[int]) -> str:
    if loaded[0].pixels.shape[:2] == loaded[1].pixels.shape[1::-1]:
        for image, source, place in zip(loaded, sources, places, strict=True):
            if Oddity.TURNED in image.oddities:
                return (
                    f"{source.describe(place)} carries an EXIF orientation and is read as it lies, not as viewers turn "
                    f"it: {TURN_PIXELS}."
                )
    return "Generate both at one size: another size tells the two apart at once."


def _warnings(
    sources: list[ImageSource], shared: int, formats: set[tuple[str, str]], equal: int, wanted: int
) -> tuple[str, ...]:
    found = [text for source in sources for text in source.warnings]
    found += [
        f"{len(source) - shared} of the {len(source)} images of {source.name} have no partner and are left out"
        for source in sources
        if len(source) > shared
    ]
    found += [
        f"the images of {sources[0].name} are {one}, those of {sources[1].name} {other}: traces of compression may "
        "tell them apart"
        for one, other in sorted(formats)
        if one != other
    ]
    if equal:
        found.append(f"in {equal} of {wanted} trials both images are equal in every pixel: people can only guess")
    return tuple(found)
