"""Sets whose names come in families: ``a.png`` beside ``a_edges.png``, ``b.png`` beside ``b_edges.png``, and so on.

No list of words tells them, only that the same few words go with all the rests.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

_FEWEST = 5  # rests, of which it can be chance below
_MOST_WORDS = 6
_ALIKE = 0.9  # share of the rests that must come with the same words
_SEPARATORS = str.maketrans("-. ()[]", "_" * 7)
_CITYSCAPES = re.compile(r"[a-z-]+_\d{6}_\d{6}(?:_.*)?")  # begins with a city, which tells no kind


def name_families(names: Sequence[str], is_kind: Callable[[str], bool]) -> dict[str, str]:
    """Return the words that tell the families of names apart, each with a pattern to show, such as "*_edges".

    A word is the last or the first of a name, of letters alone, or none: ``a`` beside ``a_edges``. Numbers and hashes
    tell images, not kinds. In front of numbers alone, as in ``cat_01``, words count only if one of them `is_kind`.

    `names`: paths with ``/`` between folders. The result is empty where there are no families.
    """
    stems = [_stem(name) for name in names]
    ends = _frequent(stem.rpartition("_")[2] for stem in stems)
    beginnings = _frequent(stem.partition("_")[0] for stem in stems)
    if not ends and len(beginnings) < 2:
        return {}
    folders = [name.rpartition("/")[0] for name in names]
    keys = [f"{folder}/{stem}" for folder, stem in zip(folders, stems, strict=True)]
    if ends:
        last = [stem.rpartition("_") for stem in stems]
        rests = [f"{folder}/{rest.rstrip('_')}" for folder, (rest, _, _) in zip(folders, last, strict=True)]
        every = [
            (rest, word) if word in ends else (key, "")
            for key, rest, (_, _, word) in zip(keys, rests, last, strict=True)
        ]
        whole = set(keys)
        beside = [pair if pair[0] in whole else (key, "") for key, pair in zip(keys, every, strict=True)]
        for pairs in (every, beside):
            found = _common(pairs)
            if found:
                return {word: f"*_{word}" if word else "*" for word in found}

    if len(beginnings) > 1 and not any(map(_CITYSCAPES.fullmatch, stems)):
        first = [stem.partition("_") for stem in stems]
        found = _common(
            [
                (f"{folder}/{rest}", word) if word in beginnings else (key, "")
                for key, folder, (word, _, rest) in zip(keys, folders, first, strict=True)
            ]
        )
        numbers_alone = not any(letter.isalpha() for _, _, rest in first for letter in rest)
        if found and (not numbers_alone or any(map(is_kind, found))):
            return {word: f"{word}_*" if word else "*" for word in found}
    return {}


def _stem(name: str) -> str:
    """The name without folders and ending, with one separator."""
    file = name.rpartition("/")[2]
    return (file.rpartition(".")[0] or file).translate(_SEPARATORS).strip("_")


def _frequent(words: Iterable[str]) -> set[str]:
    counts = Counter(words)
    # Fewer than that are no part of nine tenths that have at most six words.
    least = _ALIKE / _MOST_WORDS * counts.total() / 2
    return {word for word, count in counts.items() if word.isalpha() and count >= least}


def _common(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """The words that go with nearly all rests, in order; none if there are not several."""
    words_of: dict[str, tuple[str, ...]] = {}
    for rest, word in sorted(pairs):
        words_of[rest] = (*words_of.get(rest, ()), word)
    if len(words_of) < _FEWEST:
        return []
    (words, count), *_ = Counter(words_of.values()).most_common(1)
    return list(words) if 1 < len(set(words)) == len(words) <= _MOST_WORDS and count >= _ALIKE * len(words_of) else []
