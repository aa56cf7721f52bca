"""Webdataset shards: tar archives in which the files of one sample share their name up to the first dot.

A pattern in braces stands for many: ``train-{000000..000009}.tar`` for ten.
"""

import itertools
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath

from braceexpand import braceexpand

from p2phd_eval.errors import InputError
from p2phd_eval.images.names import unread_warnings
from p2phd_eval.images.result_kinds import KIND_MARK, take_images
from p2phd_eval.images.sources.disk_state import few
from p2phd_eval.images.sources.encoded import EncodedSource
from p2phd_eval.images.sources.source import Mark
from p2phd_eval.images.sources.tar_archive import TarImages, TarMember
from p2phd_eval.stores.object_store import redacted
from p2phd_eval.stores.store_path import AnyPath, StorePath, all_pinned, as_path

_RANGE = re.compile(r"\{(-?\d+)\.\.(-?\d+)(\.\.-?\d+)?\}")
_MOST = 100_000  # shards; a mistyped number would keep the machine busy with files that are not there


class ShardsSource(EncodedSource):
    """One image of each sample of webdataset shards, by shard and by name.

    An image is called after its shard and its member, ``train-000000.tar/0001.photo.png``, and its key is the
    sample's, ``0001``, so that different fields of the same samples pair up.

    `name`: what the user gave for the shards. `paths`: the shards. `field`: which image of a sample, such as
    "photo.png"; needed where samples have several. `kind` and `generated`: which images of results are taken, see
    `p2phd_eval.images.result_kinds.take_images`. Raises `InputError` if a shard is no tar archive with images (see
    `TarImages`), or a sample has no or several images to choose from; the fields are named.
    """

    def __init__(
        self,
        name: str,
        paths: Sequence[AnyPath],
        *,
        field: str | None = None,
        kind: str | None = None,
        generated: bool = True,
    ) -> None:
        self._shards = tuple(TarImages(path) for path in sorted(all_pinned(paths), key=_place))
        root = os.path.commonpath([_place(shard.path).parent for shard in self._shards])
        places: list[tuple[int, TarMember]] = []
        names, keys = [], []
        for number, shard in enumerate(self._shards):
            for key, member in _choose(shard, field).items():
                places.append((number, member))
                names.append(f"{Path(os.path.relpath(_place(shard.path), root)).as_posix()}/{member.name}")
                keys.append(key)
        unread = [
            f"{Path(os.path.relpath(_place(shard.path), root)).as_posix()}/{each}"
            for shard in self._shards
            for each in shard.unread
        ]
        taken = take_images(name, keys, kind=kind, generated=generated)
        self._places = [places[place] for place in taken.places]
        super().__init__(
            name if kind is None else f"{name}{KIND_MARK}{kind}",
            [names[place] for place in taken.places],
            taken.ids,
            (*taken.warnings, *unread_warnings(name, unread)),
        )

    def read(self, index: int) -> bytes:
        """Return the content of a sample's image."""
        number, member = self._places[index]
        return self._shards[number].read(member)

    def describe(self, index: int) -> str:
        """Return the shard and the member's name."""
        number, member = self._places[index]
        return f"{self._shards[number].path}:{member.name}"

    def changed(self) -> str | None:
        """Return which shards were removed or rewritten, or None."""
        return ", ".join(change for shard in self._shards if (change := shard.changed())) or None

    def content_marks(self) -> list[Mark]:
        """Return what is known of the contents without reading them."""
        return [mark for shard in self._shards for mark in shard.content_marks()]


def expand_shards(pattern: str) -> tuple[AnyPath, ...]:
    """Return the files that a pattern stands for, as in a shell and in webdataset; none without a range of numbers.

    Raises `InputError` if a range runs backwards, the pattern stands for more than 100,000 files, or any of them is
    missing.
    """
    total = 1
    # Counted first, since braceexpand makes all numbers of a range before the first name.
    for match in _RANGE.finditer(pattern):
        first, last = int(match[1]), int(match[2])
        total *= last - first + 1
        if last < first or total > _MOST:
            raise _bad_pattern(pattern, match[0])
    if _RANGE.search(pattern) is None:
        return ()
    try:
        names = list(itertools.islice(braceexpand(pattern, escape=False), _MOST + 1))
    except ValueError as error:  # braces that are not closed
        raise _bad_pattern(pattern, str(error)) from None
    if len(names) > _MOST:
        raise _bad_pattern(pattern, "more")
    paths = tuple(all_pinned(map(as_path, names)))
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise InputError(
            redacted(pattern),
            expected=f"{len(paths)} shards",
            found="none of them" if len(missing) == len(paths) else f"{few(missing, 'file')} missing",
            fix="Check the path and the numbers in braces; both ends of a range count.",
        )
    return paths


def _place(path: AnyPath) -> PurePath:
    """Where a shard lies, as a path with folders."""
    return PurePosixPath(path.place) if isinstance(path, StorePath) else path


def _bad_pattern(pattern: str, found: str) -> InputError:
    return InputError(
        redacted(pattern),
        expected=f"ranges from low to high, of at most {_MOST:,} files in all",
        found=found,
        fix="Write the first number first, such as train-{000000..000009}.tar.",
    )


def _choose(shard: TarImages, field: str | None) -> dict[str, TarMember]:
    """Return each sample's key and image, sorted by the image's name."""
    samples: dict[str, dict[str, TarMember]] = {}
    for member in shard.members:
        folder, slash, base = member.name.rpartition("/")
        stem, _, own_field = base.partition(".")
        samples.setdefault(folder + slash + stem, {})[own_field.lower()] = member
    wanted = field.lower() if field is not None else None
    chosen: dict[str, TarMember] = {}
    bad: list[str] = []
    for key, fields in samples.items():
        fits = list(fields.values()) if wanted is None else [fields[wanted]] if wanted in fields else []
        if len(fits) == 1:
            chosen[key] = fits[0]
        else:
            bad.append(key)
    if bad:
        counts = Counter(own_field for key in bad for own_field in samples[key])
        fields_text = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        raise InputError(
            str(shard.path),
            expected="one image a sample" if field is None else f"an image {field!r} in each sample",
            found=f"{few(bad, 'sample')} with the images {fields_text}",
            fix=f"Choose one: add it to the path, such as ...::{min(counts)}.",
        )
    return chosen
