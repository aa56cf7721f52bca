"""Results in which samples lie beside their inputs and photos, as the tests of image-to-image models write them.

pix2pixHD's ``test.py`` puts ``x_input_label.jpg`` beside ``x_synthesized_image.jpg``, pytorch-CycleGAN-and-pix2pix
``x_real_A.png``, ``x_fake_B.png`` and ``x_real_B.png``, vid2vid ``fake_B_x.jpg``, pix2pix-tensorflow ``x-outputs.png``;
SPADE and CUT have a folder for each, BicycleGAN writes ``x_random_sample01.png``, MUNIT ``x/output000.jpg``. Taken as
one set, they are neither samples nor photos. What has no such words but comes in families is told by `name_families`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from p2phd_eval.errors import InputError
from p2phd_eval.images.condition_ids import sample_counts
from p2phd_eval.images.name_families import name_families
from p2phd_eval.images.names import image_ids

# Words that no photo is called by, which tell results by themselves; the generated ones first.
_GENERATED = ("synthesized_image", "fake_image", "fake_A", "fake_B")
_GIVEN = ("input_label", "real_image", "real_A", "real_B", "rec_A", "rec_B", "idt_A", "idt_B")
# Words that count only where every image has one, and every kind has the same images.
_GENERATED_OFTEN = (
    *("fake", "fakes", "generated", "output", "outputs", "out", "sample", "samples", "random_sample", "synthesized"),
    *("prediction", "predictions", "predicted", "pred", "SR", "stylized", "translated"),
)
_GIVEN_OFTEN = (
    *("real", "reals", "input", "inputs", "in", "target", "targets", "ground_truth", "gt", "label", "labels", "mask"),
    *("encoded", "reconstruction", "original", "HR", "LR", "content", "style", "source", "src"),
)
_MOST_KINDS = 12  # of one input; more are frames
_ALIKE = 0.9  # share of the images that two kinds must have in common, of which one may be cut short

# The parts of a data set, each a folder of its own; see `generators.data.triplets`.
_PART = re.compile(r"(?P<phase>.+)_(?P<part>label|inst|img|feat)|(?P<side>train|test|val)_?(?P<letter>[AB])")
_PREFERRED = ("feat", "inst", "label", "A", "B", "img")  # the photos are last

#: What divides a path from the kind of images that is taken there, as in ``results/images::fake_B``.
KIND_MARK = "::"


@dataclass(frozen=True, kw_only=True)
class Kinds:
    """What the words in the names of results say."""

    words: tuple[str | None, ...]  # the kind of each image, such as "fake_B"; None where its name has none
    rests: tuple[str, ...]  # the path of each image without its kind, which the results of one input have in common
    folders: dict[str, str]  # the folder of a kind, where that is what tells it


@dataclass(frozen=True, kw_only=True)
class TakenImages:
    """Which images of a set stand for it."""

    places: tuple[int, ...]  # counted from 0, in the order of the set
    ids: tuple[str, ...]
    warnings: tuple[str, ...]


def is_kind(word: str) -> bool:
    """Return whether a word is a kind of results, such as "fake_B"."""
    return _ALL.holds(word)


def take_images(
    where: str, names: Sequence[str], *, kind: str | None = None, generated: bool = True, own: bool = False
) -> TakenImages:
    """Choose the images that a set stands for: all of them, or of results those of one kind.

    Parameters
    ----------
    where : str
        What messages call the set.
    names : sequence of str
        Paths of its images, with ``/`` between folders.
    kind : str, optional
        Which results are wanted; by default the samples, where there is one kind of them.
    generated : bool
        Whether samples are wanted. If not, results are refused unless `kind` says which.
    own : bool
        Whether the set is one of this program's, in which such words mean nothing.

    Raises
    ------
    InputError
        If results are there of which it cannot be told which are meant, none is of the wanted kind, or the set is a
        whole data set with label maps beside photos.
    """
    everything = TakenImages(places=tuple(range(len(names))), ids=image_ids(names), warnings=())
    if kind is not None:
        return _of_kind(where, names, _ALL.kinds(names), kind)
    if own:
        return everything
    _refuse_data_set(where, names)
    kinds = _results(where, names)
    if kinds is None:
        # Names with seeds say what they are: prompts such as red_cat and blue_cat are no kinds of one image.
        warnings = _family_warnings(where, names) if sample_counts(everything.ids) is None else ()
        return replace(everything, warnings=warnings)
    counts = Counter(word for word in kinds.words if word is not None)
    samples = [word for word in counts if _is_generated(word)]
    if not generated or len(samples) != 1:
        raise _ambiguous(where, kinds, "real images" if not generated else "images of one kind")
    taken = _of_kind(where, names, kinds, samples[0])
    left_out = ", ".join(f"{count} {word}" for word, count in counts.items() if word != samples[0])
    return TakenImages(
        places=taken.places,
        ids=taken.ids,
        warnings=(
            f"{where} holds results, samples beside their inputs or photos: the {counts[samples[0]]} images of the "
            f"kind {samples[0]} are taken; left out are {left_out}",
        ),
    )


class _Vocabulary:
    """Words that are looked for at the end and the beginning of a name, then among its folders.

    ``x_fake``, ``x-fake``, ``x.fake``, ``x fake`` and ``x (fake)`` are one kind. Several samples of an input have
    numbers: words in `numbered` may end in one, and are then kinds of their own.
    """

    def __init__(self, words: Iterable[str], numbered: Iterable[str] = ()) -> None:
        self._words = {word.casefold(): word for word in words}
        alone = "|".join(map(_spelled, sorted(self._words, key=len, reverse=True)))
        followed = "|".join(map(_spelled, sorted(map(str.casefold, numbered), key=len, reverse=True)))
        some = rf"(?:{followed})\d+|{alone}" if followed else alone
        self._end = re.compile(rf"(?:(?P<rest>.+?)(?: ?[(\[]|[_\-. ]))?(?P<kind>{some})[)\]]?", re.IGNORECASE)
        self._beginning = re.compile(rf"[(\[]?(?P<kind>{some})(?:[)\]] ?|[_\-. ])(?P<rest>.+)", re.IGNORECASE)
        self._any = re.compile(alone, re.IGNORECASE)
        self._whole = re.compile(some, re.IGNORECASE)

    def kinds(self, names: Sequence[str]) -> Kinds:
        words, rests, folders = [], [], {}
        for name in names:
            word, rest, folder = self._split(name)
            words.append(word)
            rests.append(rest)
            if word is not None and folder is not None:
                folders[word] = folder
        return Kinds(words=tuple(words), rests=tuple(rests), folders=folders)

    def occur_in(self, names: Iterable[str]) -> bool:
        return any(self._any.search(name) for name in names)

    def holds(self, word: str) -> bool:
        return self._whole.fullmatch(word) is not None

    def _split(self, name: str) -> tuple[str | None, str, str | None]:
        path = PurePosixPath(name)
        stem, folders = path.stem, path.parent.parts
        match = self._end.fullmatch(stem) or self._beginning.fullmatch(stem)
        if match is not None:
            # A folder for each input holds "fake_B.png", which is called after its folder.
            return self._word(match["kind"]), "/".join((*folders, *filter(None, [match["rest"]]))), None
        for i in range(len(folders) - 1, -1, -1):
            if self.holds(folders[i]):
                word = self._word(folders[i])
                return word, "/".join((*folders[:i], *folders[i + 1 :], stem)), "/".join(folders[: i + 1])
        return None, name, None

    def _word(self, spelled: str) -> str:
        word = re.sub("[ -]", "_", spelled.casefold())
        return self._words.get(word, word)


def _spelled(word: str) -> str:
    return re.escape(word).replace("_", "[_ -]")


_STRONG = _Vocabulary((*_GENERATED, *_GIVEN))
_ALL = _Vocabulary((*_GENERATED, *_GIVEN, *_GENERATED_OFTEN, *_GIVEN_OFTEN), numbered=_GENERATED_OFTEN)


def _results(where: str, names: Sequence[str]) -> Kinds | None:
    """The kinds of a set of results; None for any other set."""
    if _STRONG.occur_in(names):
        kinds = _STRONG.kinds(names)
        found = {word for word in kinds.words if word is not None}
        if len(found) > 1 and None not in kinds.words:
            return kinds
        if len(found) > 1 and found & {*_GENERATED} and _in_common(kinds):
            raise _ambiguous(where, kinds, "images of one kind")
    if None in _ALL.kinds(names[:1]).words:
        return None
    kinds = _ALL.kinds(names)
    found = {word for word in kinds.words if word is not None}
    if None in kinds.words or not 1 < len(found) <= _MOST_KINDS or all(word[-1].isdigit() for word in found):
        return None
    rests_of: dict[str | None, set[str]] = {}
    for word, rest in zip(kinds.words, kinds.rests, strict=True):
        rests_of.setdefault(word, set()).add(rest)
    fewest, most = min(map(len, rests_of.values())), max(map(len, rests_of.values()))
    alike = len(set.intersection(*rests_of.values())) >= _ALIKE * most and fewest > 0
    return kinds if alike else None


def _is_generated(word: str) -> bool:
    return word.rstrip("0123456789") in (*_GENERATED, *_GENERATED_OFTEN)


def _family_warnings(where: str, names: Sequence[str]) -> tuple[str, ...]:
    """Ask where the names come in families without words that are known."""
    families = name_families(names, is_kind)
    if not families:
        return ()
    ways = [f"{where}{KIND_MARK}{word}" for word in families if is_kind(word)]
    choice = f"{' or '.join(ways)} takes one of them" if ways else "give a folder or list of one kind"
    return (
        f"{where}: images come in {len(families)} kinds by their names ({', '.join(families.values())}): are they one "
        f"set? If not, {choice}",
    )


def _in_common(kinds: Kinds) -> bool:
    first: dict[str, str] = {}
    return any(
        word is not None and first.setdefault(rest, word) != word
        for word, rest in zip(kinds.words, kinds.rests, strict=True)
    )


def _of_kind(where: str, names: Sequence[str], kinds: Kinds, kind: str) -> TakenImages:
    places = tuple(i for i, word in enumerate(kinds.words) if word is not None and word.casefold() == kind.casefold())
    if not places:
        found = Counter(word for word in kinds.words if word is not None)
        raise InputError(
            f"{where}{KIND_MARK}{kind}",
            expected=f"images whose names or folders say {kind}",
            found=", ".join(f"{count} {word}" for word, count in found.items()) or f"none, such as {names[0]}",
            fix="Give one of these kinds." if found else "Give the path alone.",
        )
    return TakenImages(places=places, ids=image_ids([kinds.rests[i] for i in places]), warnings=())


def _ambiguous(where: str, kinds: Kinds, wanted: str) -> InputError:
    counts = Counter(word or "other images" for word in kinds.words)
    ways = [
        f"{where}/{kinds.folders[word]}" if word in kinds.folders else f"{where}{KIND_MARK}{word}"
        for word in counts
        if word != "other images"
    ]
    return InputError(
        where,
        expected=wanted,
        found="results of several kinds: " + ", ".join(f"{count} {word}" for word, count in counts.items()),
        fix=f"Say which are meant: {' or '.join(ways)}.",
    )


def _refuse_data_set(where: str, names: Sequence[str]) -> None:
    parts: dict[str, dict[str, str]] = {}  # phase to part to folder
    for parent in sorted({name.rpartition("/")[0] for name in names}):
        folders = PurePosixPath(parent).parts
        for place, folder in enumerate(folders):
            match = _PART.fullmatch(folder)
            if match is not None:
                phase, part = match["phase"] or match["side"], match["part"] or match["letter"]
                parts.setdefault(phase, {})[part] = "/".join(folders[: place + 1])
    for phase, of_phase in parts.items():
        if len(of_phase) > 1:
            raise InputError(
                where,
                expected="images of one kind",
                found=f"a data set: the parts {', '.join(sorted(of_phase.values()))} of {phase}",
                fix=f"Give one of its folders, such as {where}/{of_phase[max(of_phase, key=_PREFERRED.index)]}.",
            )
