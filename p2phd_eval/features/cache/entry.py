"""An entry of the feature cache: a folder with the features' values, and a record by which both are verified."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from p2phd_eval import __version__
from p2phd_eval.errors import InputError
from p2phd_eval.features.feature_set import FeatureSet, FeatureStamp
from p2phd_eval.features.identity import NetworkIdentity
from p2phd_eval.files import atomic_write, file_sha256
from p2phd_eval.json_files import convert_json, decode_json

_VALUES = "features.npy"  # float32 (n, d); uncompressed, so that it can be mapped into memory
_RECORD = "entry.json"  # the key, everything of the set but its values, and the hashes of both


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureKey:
    """What features depend on: the images, the feature space and the program that computed them.

    Raises `InputError` if the images have no hash: all such sets would share their features.
    """

    identity: NetworkIdentity
    images_sha256: str  # hash of the images' names and contents, in order, hexadecimal
    tool: str = __version__  # version of p2phd-eval

    def __post_init__(self) -> None:
        if not self.images_sha256:
            raise InputError(
                "feature cache", expected="the hash of the images", found="none", fix="Do not keep their features."
            )

    @property
    def digest(self) -> str:
        """The entry's name: SHA-256 over the key, hexadecimal."""
        return hashlib.sha256(_canonical(dataclasses.asdict(self))).hexdigest()


@dataclasses.dataclass(frozen=True, kw_only=True)
class CacheEntry:
    """A feature set in the cache, as its record describes it."""

    digest: str  # its key's hash, hexadecimal
    source: str  # the folder, archive or list from which it was computed
    weights: str  # name of the network's weights
    resize: str
    dims: int  # features an image
    dtype: str  # in which the network computed
    n: int  # number of images
    size: int  # bytes on disk
    last_used: float  # seconds since 1970


def write_entry(folder: Path, key: FeatureKey, features: FeatureSet) -> None:
    """Write a set and its key into an empty folder, down to the disk; raises OSError if that fails."""
    values = folder / _VALUES
    with atomic_write(values) as stream:
        np.save(stream, np.asarray(features.values, dtype="<f4"), allow_pickle=False)
    content = {
        "key": dataclasses.asdict(key),
        "values_bytes": values.stat().st_size,
        "values_sha256": file_sha256(values),
        "ids": features.ids,
        "sizes": features.sizes.tolist(),
        "stamp": dataclasses.asdict(features.stamp),
    }
    record = {"content": content, "content_sha256": hashlib.sha256(_canonical(content)).hexdigest()}
    with atomic_write(folder / _RECORD) as stream:
        stream.write(_canonical(record))


def read_entry(folder: Path, key: FeatureKey) -> FeatureSet:
    """Read a set and verify all of it.

    Its values are mapped into memory, read-only. Raises `FileNotFoundError` if there is no entry, and
    almost anything if the entry is damaged, or not of this key.
    """
    content = _read_record(folder)
    if content["key"] != dataclasses.asdict(key):
        raise ValueError("its record is of other features")
    path = folder / _VALUES
    if not path.is_file():
        raise ValueError(f"{_VALUES} is missing")
    size = path.stat().st_size
    if size != content["values_bytes"]:
        raise ValueError(f"{_VALUES} has {size} bytes instead of {content['values_bytes']}")
    if file_sha256(path) != content["values_sha256"]:
        raise ValueError(f"{_VALUES} has changed")
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    if values.dtype != np.float32 or values.shape != (len(content["ids"]), key.identity.dims):
        raise ValueError(f"{_VALUES} holds {values.dtype} {values.shape}")
    return FeatureSet(
        values=values,
        ids=tuple(content["ids"]),
        sizes=np.array(content["sizes"], dtype=np.int32),
        stamp=_stamp(content),
    )


def describe_entry(folder: Path) -> CacheEntry:
    """Read an entry's record, not its values; raises almost anything if it cannot be read."""
    stamp = _stamp(_read_record(folder))
    return CacheEntry(
        digest=folder.name,
        source=stamp.source,
        weights=stamp.weights,
        resize=stamp.resize,
        dims=stamp.dims,
        dtype=stamp.dtype,
        n=stamp.n,
        size=folder_bytes(folder),
        last_used=(folder / _RECORD).stat().st_mtime,
    )


def mark_used(folder: Path) -> None:
    """Set the time at which an entry was last used to now; raises OSError where that is not allowed."""
    (folder / _RECORD).touch()


def folder_bytes(folder: Path) -> int:
    """Return how many bytes the files of a folder have in all."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _read_record(folder: Path) -> dict[str, Any]:
    record = decode_json((folder / _RECORD).read_bytes(), _RECORD, expected="the record of an entry")
    try:
        content: dict[str, Any] = record["content"]
        if hashlib.sha256(_canonical(content)).hexdigest() != record["content_sha256"]:
            raise ValueError(f"{_RECORD} has changed")
    except (KeyError, TypeError) as error:
        raise ValueError(f"{_RECORD} holds something else") from error
    return content


def _stamp(content: dict[str, Any]) -> FeatureStamp:
    stamp = convert_json(content.get("stamp"), FeatureStamp, f"{_RECORD} of another version")
    if stamp.oddities is None:  # unlike a file that a user keeps, an entry is made again in its place
        raise ValueError(f"{_RECORD} is of another version")
    return stamp


def _canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
