"""A set of features with the names of its images and the stamp that says how it was made."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.files import atomic_write, name_bytes
from p2phd_eval.json_files import decode_json_as
from p2phd_eval.npz_files import read_npz, text_of
from p2phd_eval.stats.feature_arrays import feature_rows, unusable_rows
from p2phd_eval.stores.store_path import as_path

_WANTED = "a feature file (.npz with features, ids, sizes and stamp)"
_LARGEST_SIZE = np.iinfo(np.int32).max
_EXTRACT_AGAIN = "Give a file that p2phd-eval features wrote, or extract the features again."


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureStamp:
    """How a feature set was made; two FIDs are comparable only where the network, resize, dims and dtype agree."""

    weights: str  # name of the network's weights, for people
    weights_sha256: str  # hash of the network's parameters and buffers as loaded, hexadecimal
    resize: str  # how images came to the network's size, such as "legacy-pytorch": see `features.networks.resizes`
    dims: int  # number of features an image
    dtype: str  # in which the network computed: "float32", "tf32", "bfloat16" or "float16"
    device: str  # on which it computed
    source: str  # the folder, archive or list that was read
    images_sha256: str  # hash of the images' names and contents, in order; empty for images that have neither
    n: int  # number of images
    formats: dict[str, int]  # file format, such as "PNG" or "JPEG", to the number of images
    duplicates: int  # images whose content another image of the set has too, but for one of each
    tool: str  # version of p2phd-eval
    torch: str  # version of torch
    pillow: str  # version of Pillow, which decodes
    oddities: dict[str, int] | None = None  # images by what may make them others than they seem; None: not known
    odd_examples: dict[str, str] | None = None  # the name of the first image of each
    protocol: str | None = None  # that the images were held against, such as "spade-cityscapes"; None: no protocol
    resized: str | None = None  # how photos came to the protocol's size, "bicubic" of Pillow; None: they had it


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """Features of an ordered set of images.

    Parameters
    ----------
    values : ndarray of float32, shape (n, d)
        One row an image; other real numbers are brought to float32.
    ids : tuple of str
        The key of each image (its file's stem without Cityscapes' endings), by which sets are paired.
    sizes : ndarray of int32, shape (n, 2)
        Width and height of each image in pixels, before the network's own resize.
    stamp : FeatureStamp
        How the features were made.

    Raises
    ------
    InputError
        If the shapes disagree, or features are no real numbers; if one is NaN, infinite or above 1e12, its image is
        named.
    """

    values: npt.NDArray[np.float32]
    ids: tuple[str, ...]
    sizes: npt.NDArray[np.int32]
    stamp: FeatureStamp

    def __post_init__(self) -> None:
        n = len(self.ids)
        values = feature_rows(self.values, "features")
        if not n or len(values) != n or np.shape(self.sizes) != (n, 2):
            raise InputError(
                "features",
                expected=f"arrays of shape ({n}, d) and ({n}, 2) for {n} ids" if n else "at least one image",
                found=f"shapes {values.shape} and {np.shape(self.sizes)}",
            )
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as such
            values = values.astype(np.float32, copy=False)
        if (bad := unusable_rows(values)) is not None:
            raise InputError(
                f"features of image {self.ids[bad.row]!r}",
                expected=bad.expected,
                found=f"{bad.found} ({bad.count} of {n} images)",
                fix="Extract the features again in float32; if it stays, the image or the weights are damaged.",
            )
        if values.dtype != getattr(self.values, "dtype", None):  # else what is mapped into memory stays so
            object.__setattr__(self, "values", values)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        n, dims = self.values.shape
        return f"FeatureSet: {n} images of {self.stamp.source}, {dims} features of {self.stamp.weights} each"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the set atomically as `.npz` without pickles."""
        with atomic_write(path) as stream:
            np.savez(stream, **self.arrays())

    def arrays(self) -> dict[str, Any]:
        """Return what a file of the set holds, by name."""
        return {
            "features": self.values,
            "ids": np.array(self.ids, dtype=np.str_),
            "sizes": self.sizes,
            "stamp": np.array(json.dumps(dataclasses.asdict(self.stamp))),
        }

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FeatureSet:
        """Read a set that `save` wrote.

        Raises
        ------
        InputError
            If the file is missing or is no such set; see `read_npz`, and above.
        """
        fields = read_npz(path, ("features", "ids", "sizes", "stamp"), expected=_WANTED, fix=_EXTRACT_AGAIN)
        return cls.of_arrays(fields, str(as_path(path)))

    @classmethod
    def of_arrays(cls, fields: Mapping[str, npt.NDArray[Any]], where: str) -> FeatureSet:
        """Return the set that a file's arrays hold; raises `InputError`, naming `where`, if they hold none."""
        values, ids, sizes = fields["features"], fields["ids"], fields["sizes"]
        try:
            stamp = read_stamp(text_of(fields["stamp"]), where)
            if ids.dtype.kind != "U" or ids.ndim != 1 or ids.shape != values.shape[:1]:
                raise ValueError(f"ids of {ids.dtype} {ids.shape} for features {values.shape}")
            if sizes.dtype.kind not in "iu" or (sizes.size and (sizes.min() < 0 or sizes.max() > _LARGEST_SIZE)):
                raise ValueError(f"sizes of {sizes.dtype}, which are no widths and heights")
            if values.ndim == 2 and values.shape[1] != stamp.dims:
                raise ValueError(f"{values.shape[1]} features an image, and a stamp that says {stamp.dims}")
        except ValueError as error:
            raise InputError(where, expected=_WANTED, found=str(error), fix=_EXTRACT_AGAIN) from error
        try:
            return cls(values=values, ids=tuple(ids.tolist()), sizes=sizes.astype(np.int32, copy=False), stamp=stamp)
        except InputError as error:
            raise InputError(
                f"{where}, {error.where}", expected=error.expected, found=error.found, fix=error.fix
            ) from error


def read_stamp(text: str, where: str) -> FeatureStamp:
    """Read a stamp that was written as JSON; raises InputError, naming `where`, if it is none."""
    return decode_json_as(FeatureStamp, text, f"{where}, stamp", expected="the JSON of a stamp", fix=_EXTRACT_AGAIN)


def images_sha256(names: Iterable[str], hashes: Iterable[str]) -> str:
    """Return the hash of a set: of its images' names and of their contents' SHA-256, in order, hexadecimal."""
    digest = hashlib.sha256()
    for name, content in zip(names, hashes, strict=True):
        digest.update(name_bytes(name) + b"\0" + bytes.fromhex(content))
    return digest.hexdigest()
