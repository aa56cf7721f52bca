"""A set of features with the names of its images and the stamp that says how it was made."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.files import atomic_write


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """Features of an ordered set of images.

    Parameters
    ----------
    values : ndarray of float32, shape (n, d)
        One row an image.
    ids : tuple of str
        The key of each image (its file's stem without Cityscapes' endings), by which sets are paired.
    sizes : ndarray of int32, shape (n, 2)
        Width and height of each image in pixels, before the network's own resize.
    stamp : FeatureStamp
        How the features were made.

    Raises
    ------
    InputError
        If the shapes disagree or a feature is NaN or infinite; the image is named.
    """

    values: npt.NDArray[np.float32]
    ids: tuple[str, ...]
    sizes: npt.NDArray[np.int32]
    stamp: FeatureStamp

    def __post_init__(self) -> None:
        n = len(self.ids)
        if self.values.ndim != 2 or len(self.values) != n or self.sizes.shape != (n, 2):
            raise InputError(
                "features",
                expected=f"arrays of shape ({n}, d) and ({n}, 2) for {n} ids",
                found=f"shapes {self.values.shape} and {self.sizes.shape}",
            )
        bad = np.flatnonzero(~np.isfinite(self.values).all(axis=1))
        if len(bad):
            raise InputError(
                f"features of image {self.ids[bad[0]]!r}",
                expected="finite numbers",
                found=f"NaN or infinity ({len(bad)} of {n} images)",
                fix="Extract the features again in float32; if it stays, the image or the weights are damaged.",
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        n, dims = self.values.shape
        return f"FeatureSet: {n} images of {self.stamp.source}, {dims} features of {self.stamp.weights} each"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the set atomically as `.npz` without pickles."""
        stamp = json.dumps(dataclasses.asdict(self.stamp))
        with atomic_write(path) as stream:
            np.savez(
                stream,
                features=self.values,
                ids=np.array(self.ids, dtype=np.str_),
                sizes=self.sizes,
                stamp=np.array(stamp),
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FeatureSet:
        """Read a set that `save` wrote.

        Raises
        ------
        InputError
            If the file is missing, not such a set, or holds pickled objects.
        """
        try:
            # Opened here: numpy leaves a file open that turns out to be damaged.
            with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
                fields: dict[str, Any] = {name: archive[name] for name in ("features", "ids", "sizes", "stamp")}
            stamp = FeatureStamp(**json.loads(str(fields["stamp"])))
        except (OSError, ValueError, KeyError, TypeError, BadZipFile, EOFError) as error:
            raise InputError(
                str(Path(path)),
                expected="a feature file (.npz with features, ids, sizes and stamp)",
                found=f"{type(error).__name__}: {error}",
                fix="Delete the file and extract the features again.",
            ) from error
        return cls(
            values=np.asarray(fields["features"], dtype=np.float32),
            ids=tuple(str(name) for name in fields["ids"]),
            sizes=np.asarray(fields["sizes"], dtype=np.int32),
            stamp=stamp,
        )


def images_sha256(names: Iterable[str], hashes: Iterable[str]) -> str:
    """Return the hash of a set: of its images' names and of their contents' SHA-256, in order, hexadecimal."""
    digest = hashlib.sha256()
    for name, content in zip(names, hashes, strict=True):
        # File systems give names that are not UTF-8 as surrogates.
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0" + bytes.fromhex(content))
    return digest.hexdigest()
