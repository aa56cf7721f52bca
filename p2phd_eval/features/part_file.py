"""Files of a share of a source's images: what a file of features or of statistics holds, and where it belongs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.features.feature_set import FeatureSet, FeatureStamp, read_stamp
from p2phd_eval.features.share import Share
from p2phd_eval.features.statistics import Statistics, statistics_arrays
from p2phd_eval.files import name_bytes
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.json_files import decode_json_as
from p2phd_eval.npz_files import npz_names, read_npz, text_of
from p2phd_eval.stores.store_path import AnyPath, as_path

_WANTED = "a part of features or statistics, as `p2phd-eval features --shard` writes it"
_FIX = "Write the part again: p2phd-eval features IMAGES --shard i/n --out FILE."
_ARRAYS = ("share", "names", "hashes", "stamp")


@dataclass(frozen=True, kw_only=True)
class Whole:
    """The source of which a part is a share: how many images, and which, by their names and what is seen of contents.

    Hashes are SHA-256, hexadecimal.
    """

    n: int
    names_sha256: str  # of the names of all images, in order
    marks_sha256: str | None  # of `ImageSource.content_marks`; None where contents themselves are compared

    @classmethod
    def of(cls, source: ImageSource, *, marks: bool = True) -> Whole:
        """Return what tells a source from others without reading it; by names alone, if so asked."""
        return cls(
            n=len(source),
            names_sha256=_names_sha256(source.names),
            marks_sha256=hashlib.sha256(json.dumps(source.content_marks()).encode()).hexdigest() if marks else None,
        )


@dataclass(frozen=True, kw_only=True)
class Part:
    """A file of a share, without its features or moments, which `contents` reads."""

    path: AnyPath
    share: Share
    whole: Whole
    statistics: bool  # moments alone
    stamp: FeatureStamp  # that of the images of this share
    names: npt.NDArray[np.bytes_]  # (k,), of each image
    hashes: npt.NDArray[np.uint8]  # (k, 32), the SHA-256 of each image's content
    contents_sha256: str  # of what was written beside the share

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Part:
        """Read a file that `write_part` wrote.

        Raises `InputError` if the file is missing, damaged or none such, or does not agree with itself.
        """
        file, found = as_path(path), npz_names(path)
        if found and "share" not in found:
            what = "features or statistics of a whole set" if "stamp" in found else "other arrays"
            raise InputError(str(file), expected=_WANTED, found=what, fix=_FIX)
        arrays = read_npz(file, _ARRAYS, expected=_WANTED, fix=_FIX)
        names, hashes = arrays["names"], arrays["hashes"]
        try:
            record = decode_json_as(
                _Record, text_of(arrays["share"]), f"{file}, share", expected="the JSON of a share", fix=_FIX
            )
            stamp = read_stamp(text_of(arrays["stamp"]), str(file))
        except ValueError as error:
            raise InputError(str(file), expected=_WANTED, found=str(error), fix=_FIX) from error
        if not 0 <= record.index < record.count <= record.n:
            found_share = f"share {record.index}/{record.count} of {record.n} images"
            raise InputError(str(file), expected=_WANTED, found=found_share, fix=_FIX)
        share = Share(index=record.index, count=record.count)
        k = len(share.rows(record.n))
        shapes = (names.shape, names.dtype.kind, hashes.shape, hashes.dtype, stamp.n)
        if shapes != ((k,), "S", (k, 32), np.dtype(np.uint8), k):
            raise InputError(
                str(file), expected=f"{k} images of share {share} of {record.n}", found="other arrays", fix=_FIX
            )
        return cls(
            path=file,
            share=share,
            whole=Whole(n=record.n, names_sha256=record.names_sha256, marks_sha256=record.marks_sha256),
            statistics="mu" in found,
            stamp=stamp,
            names=names,
            hashes=hashes,
            contents_sha256=record.contents_sha256,
        )

    def contents(self) -> dict[str, npt.NDArray[Any]]:
        """Read all that the file holds; raises `InputError` if it is not what was written.

        The archive's own CRC-32 tells damage of a disk or on the way; this one, what a program changed.
        """
        arrays = read_npz(self.path, expected=_WANTED, fix=_FIX)
        if _contents_sha256(arrays) != self.contents_sha256:
            raise InputError(
                str(self.path),
                expected="what `p2phd-eval features --shard` wrote",
                found="other contents: they were changed since",
                fix=_FIX,
            )
        return arrays


@dataclass(frozen=True, kw_only=True)
class _Record:
    """The JSON in a part's file that says where it belongs."""

    index: int
    count: int
    n: int
    names_sha256: str
    marks_sha256: str | None
    contents_sha256: str


def write_part(
    stream: BinaryIO,
    found: FeatureSet | Statistics,
    *,
    share: Share,
    whole: Whole,
    names: Sequence[str],
    hashes: Sequence[str],
) -> None:
    """Write features or statistics of a share.

    `whole`: what it is a share of. `names`, `hashes`: of each of its images the name, and the SHA-256 of the content,
    hexadecimal.
    """
    digests = np.frombuffer(b"".join(map(bytes.fromhex, hashes)), dtype=np.uint8)
    arrays = {
        **(found.arrays() if isinstance(found, FeatureSet) else statistics_arrays(found.moments, found.stamp)),
        "names": np.array([name_bytes(name) for name in names], dtype=np.bytes_),
        "hashes": digests.reshape(-1, 32),
    }
    record = _Record(**asdict(share), **asdict(whole), contents_sha256=_contents_sha256(arrays))
    np.savez(stream, **arrays, share=np.array(json.dumps(asdict(record))))


def is_part(arrays: Iterable[str]) -> bool:
    """Whether a file that holds arrays of these names is a part."""
    return "share" in arrays


def hash_of_images(names: Iterable[Any], hashes: Iterable[Any]) -> str:
    """Return what `feature_set.images_sha256` does, of the names' bytes and of contents' hashes [32] of uint8."""
    digest = hashlib.sha256()
    for name, content in zip(names, hashes, strict=True):
        digest.update(name + b"\0" + content.tobytes())
    return digest.hexdigest()


def _contents_sha256(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays.keys() - {"share"}):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {arrays[name].shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _names_sha256(names: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        digest.update(name_bytes(name) + b"\0")
    return digest.hexdigest()
