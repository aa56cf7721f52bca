"""A folder of images that one checkpoint made, with a manifest that says how."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from p2phd_eval.errors import InputError
from p2phd_eval.files import write_json
from p2phd_eval.json_files import read_json_as, read_json_or_none
from p2phd_eval.locks import LOCK
from p2phd_eval.stores.store_path import AnyPath

MANIFEST = "manifest.json"


class Calibration(Struct, frozen=True, kw_only=True):
    """The maps whose values set the ranges of an int8 graph."""

    maps: tuple[str, ...]  # names of the label maps
    sha256: str  # of names and contents of all files that were read


class Manifest(Struct, frozen=True, kw_only=True):
    """What `generate` writes beside the images that it makes."""

    checkpoint_sha256: str  # of the checkpoint file
    config: dict[str, Any]  # of the training; `data` says how images were made to fit while sampling
    training_precision: str
    training_step: int
    sampling_precision: str
    sampling_arithmetic: str = "native"  # or "emulated"; a version that did not say it emulated nothing
    engine: str = "torch"  # what ran the network: "torch", "compile", "onnxruntime" or "tensorrt"
    graph_sha256: str | None = None  # of the ONNX file that the engine ran
    calibration: Calibration | None = None  # of an int8 graph
    phase: str  # part of the data set
    seed: int  # of drawn styles
    style: str | None  # "clusters" or "photo"; None for a model without an encoder
    pins: dict[str, int] = {}  # by a region's number the cluster, of its class, that it has in every image
    clusters_sha256: str | None  # of the clusters' file
    n_images: int  # label maps
    device: str
    versions: dict[str, str]


def require_image_folder(
    folder: Path, manifest: dict[str, Any], *, identity: Sequence[str], fix: str, foreign: str
) -> None:
    """Raise InputError unless a folder is new, empty, or has images made in the same way; nothing is written.

    `manifest`: JSON values that `write_manifest` is about to write. `identity`: keys of the manifest in which two calls
    must agree to write into one folder. `fix`: what to do about a folder of other such images, for errors. `foreign`:
    what to do about a folder of anything else, which may be photos of the user's: never to delete it.
    """
    path = folder / MANIFEST
    if path.exists():
        wanted = "the manifest of an image folder"
        before = read_json_as(dict[str, Any], path, expected=wanted, fix=foreign)
        # See `Manifest`.
        before = {"sampling_arithmetic": "native", "engine": "torch", "graph_sha256": None, "pins": {}} | before
        if missing := [key for key in identity if key not in before]:
            raise InputError(str(path), expected=wanted, found=f"no {missing[0]!r} in it", fix=foreign)
        changed = [key for key in identity if before[key] != manifest[key]]
        if changed:
            raise InputError(
                str(folder),
                expected="images of this checkpoint and these settings",
                found=f"images with another {changed[0].replace('_', ' ')}",
                fix=fix,
            )
    elif folder.is_dir() and any(path.name != LOCK for path in folder.iterdir()):
        raise InputError(
            str(folder), expected=f"an empty folder or one with a {MANIFEST}", found="other files", fix=foreign
        )


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest of a folder; `require_image_folder` has looked at what is there."""
    write_json(folder / MANIFEST, manifest)


def read_manifest(folder: AnyPath) -> dict[str, Any] | None:
    """Return the manifest of a folder; None where there is none that can be read."""
    return read_json_or_none(dict[str, Any], folder / MANIFEST)
