"""Styles to sample with: k-means clusters of the encoder's features, for each class (pix2pixHD, section 3.4)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
from msgspec import Meta, Struct

from p2phd_eval.devices import describe_device, find_device
from p2phd_eval.errors import InputError
from p2phd_eval.files import atomic_write, file_sha256, name_bytes
from p2phd_eval.generators.checkpoint import Checkpoint, latest_path
from p2phd_eval.generators.data.batch import regions_of
from p2phd_eval.generators.data.contents import contents_sha256, image_name
from p2phd_eval.generators.original.checkpoint_folder import open_source
from p2phd_eval.generators.sampling.feature_maps import PhotoEncoder
from p2phd_eval.json_files import decode_json_as
from p2phd_eval.locks import hold_file
from p2phd_eval.memory import memory_for
from p2phd_eval.npz_files import read_npz, text_of
from p2phd_eval.progress import Note, OnProgress, ProgressFactory, silent, unheard
from p2phd_eval.targets import require_file_target
from p2phd_eval.versions import versions

STYLES = ("clusters", "photo")
_PREFIX = "class_"
_WANTED = "clusters of features"


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Cluster centres of the features of one checkpoint."""

    centres: dict[int, npt.NDArray[np.float32]]  # by class, (k, n_features), only of classes with regions
    regions: dict[int, int]  # by class, the number of regions that were clustered
    checkpoint_sha256: str
    phase: str  # which part of the data set
    n_clusters: int  # the most of a class
    data_sha256: str | None = None  # of names and contents of what was encoded; None of an earlier version

    def save(self, path: Path) -> None:
        """Write an `.npz`, atomically: `class_<label>` for each class, and `stamp`, JSON of the rest."""
        stamp = {
            "checkpoint_sha256": self.checkpoint_sha256,
            "phase": self.phase,
            "n_clusters": self.n_clusters,
            "data_sha256": self.data_sha256,
            "regions": {str(label): count for label, count in self.regions.items()},
            "versions": versions(),
        }
        arrays: dict[str, Any] = {f"{_PREFIX}{label}": centres for label, centres in self.centres.items()}
        with atomic_write(path) as stream:
            np.savez(stream, stamp=np.array(json.dumps(stamp)), **arrays)

    @classmethod
    def load(cls, path: Path) -> Clusters:
        """Read what `save` wrote; pickled objects, such as the original's clusters, are refused.

        Raises
        ------
        InputError
            If the file is missing, or is another.
        """
        fix = "Make them: p2phd-eval encode cluster RUN DATA"
        arrays = read_npz(path, expected=_WANTED, fix=fix)
        try:
            text = text_of(arrays.pop("stamp"))
            centres = {_label_of(name): _centres(name, values) for name, values in arrays.items()}
        except (KeyError, ValueError) as error:
            raise InputError(
                str(path), expected=_WANTED, found=f"another or a damaged file ({error})", fix=fix
            ) from None
        stamp = decode_json_as(_Stamp, text, f"{path}, stamp", expected=_WANTED, fix=fix)
        return cls(
            centres=centres,
            regions={int(label): count for label, count in stamp.regions.items()},
            checkpoint_sha256=stamp.checkpoint_sha256,
            phase=stamp.phase,
            n_clusters=stamp.n_clusters,
            data_sha256=stamp.data_sha256,
        )


class _Stamp(Struct):
    checkpoint_sha256: str
    phase: str
    n_clusters: int
    regions: dict[Annotated[str, Meta(pattern="^[0-9]{1,9}$")], int]  # by class
    data_sha256: str | None = None


def _label_of(name: str) -> int:
    number = name.removeprefix(_PREFIX)
    if not number.isdecimal() or len(number) > 9:
        raise ValueError(f"an array {name!r:.60}")
    return int(number)


def _centres(name: str, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return centres (k, n_features) as float32; raise `ValueError` for others."""
    if values.dtype.kind != "f" or values.ndim != 2 or not values.size:
        raise ValueError(f"{name} of {values.dtype} {values.shape}")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
        centres = values.astype(np.float32)
    if not np.isfinite(centres).all():
        raise ValueError(f"{name} with NaN or infinity")
    return centres


def clusters_path(source: Path, given: Path | None, option: str) -> Path:
    """Return where the clusters of a model are: the file `given`, or `clusters.npz` in its run folder.

    Raises `InputError` if no file is given and `source` is a checkpoint file or a folder of the original; `option` is
    named.
    """
    if given is not None:
        return given
    if not latest_path(source).is_file():
        raise InputError(option, expected=f"a file, since {source} is no run folder", found="none")
    return source / "clusters.npz"


def load_clusters(path: Path, checkpoint: Checkpoint, checkpoint_sha256: str, arguments: str) -> Clusters:
    """Read the clusters of a checkpoint.

    `arguments`: what errors say to give the command that makes the clusters: the model and the data set. Raises
    `InputError` if the file is missing, is none, or belongs to another checkpoint.
    """
    remake = f"p2phd-eval encode cluster {arguments}"
    if not path.is_file():
        raise InputError(
            str(path),
            expected="clusters of the training photos' features",
            found="no such file",
            fix=f"Make them: {remake}",
        )
    clusters = Clusters.load(path)
    n_features = checkpoint.config.features.n_features
    shapes = {centres.shape[1:] for centres in clusters.centres.values()}
    if clusters.checkpoint_sha256 != checkpoint_sha256 or shapes - {(n_features,)}:
        raise InputError(
            str(path),
            expected=f"clusters of the checkpoint with SHA-256 {checkpoint_sha256[:12]}",
            found=f"those of another, {clusters.checkpoint_sha256[:12]}",
            fix=f"Make them anew: {remake}",
        )
    return clusters


@memory_for("encoding", "Use a --device with more memory, or smaller images.")
def cluster_styles(
    source: str | Path,
    data: str | Path,
    *,
    out: Path | None = None,
    phase: str = "train",
    n_clusters: int = 10,
    which_epoch: str | None = None,
    label_nc: int | None = None,
    instances: bool | None = None,
    device: str | torch.device | None = None,
    progress: ProgressFactory = silent,
    note: Note = unheard,
) -> tuple[Path, Clusters]:
    """Encode every photo of a phase, cluster the features of its regions for each class, and write the clusters.

    A region counts if it covers more than 1/64 of its image, as in the original. Its class is the most frequent label
    in it, which is what the original reads off Cityscapes' instance numbers; there is one class for `label_nc` 0.

    Raises `InputError` for a checkpoint without encoder, unusable data, or a file whose name ends otherwise than in
    `.npz`.

    Parameters
    ----------
    source : str or Path
        A run folder, a checkpoint or a folder of the original, with an encoder.
    data : str or Path
        A data set in pix2pixHD's layout, with photos.
    out : Path, optional
        The file to write, `.npz`; by default `clusters.npz` of the run folder, where `generate` looks for it.
    n_clusters : int
        Clusters for each class; fewer where it has fewer distinct features.
    which_epoch, label_nc, instances
        For a folder of the original, see `read_original`.
    device : str or torch.device, optional
        By default cuda, mps or cpu, the first that there is.

    Returns
    -------
    file : Path
    clusters : Clusters
        What is in it.
    """
    source, on = Path(source), find_device(device)
    path, checkpoint = open_source(source, which_epoch=which_epoch, label_nc=label_nc, instances=instances)
    target = clusters_path(source, out, "--out")
    require_file_target(target, "--out", ending=".npz")
    note(f"device: {describe_device(on)}, clusters: {target}")
    photos = PhotoEncoder(path, checkpoint, Path(data), phase, on)
    with hold_file(target):
        with progress("encode", "photos") as on_progress:
            features, classes, data_sha256 = _encoded_regions(photos, on_progress)
        clusters = Clusters(
            **_cluster(features, classes, n_clusters),
            checkpoint_sha256=file_sha256(path),
            phase=phase,
            n_clusters=n_clusters,
            data_sha256=data_sha256,
        )
        clusters.save(target)
    return target, clusters


def _encoded_regions(
    photos: PhotoEncoder, on_progress: OnProgress
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], str]:
    """Return the features (n, n_features) and the classes (n,) of all large regions of all photos, and their hash."""
    n = len(photos.triplets)
    features, classes = [], []
    contents: dict[str, dict[str, str]] = {}
    for done, (batch, encoded) in enumerate(photos.encode(range(n)), start=1):
        contents[image_name(batch.triplets[0])] = batch.contents[0]
        regions, n_regions = regions_of(batch, photos.config)
        assert n_regions is not None  # the data set numbers instances
        label_of, area = classes_and_areas(regions, n_regions, batch.label, photos.config.data.label_nc)
        height, width = encoded.shape[-2:]
        large = area > height * width // 32 * 0.5  # the original counts in 32nds of an image
        table = encoded.new_zeros(n_regions, encoded.shape[1])
        table[regions.flatten().long()] = encoded[0].flatten(1).T  # equal over a region: any of its pixels will do
        features.append(table.cpu().numpy()[large])
        classes.append(label_of[large])
        on_progress(done, n)
    return np.concatenate(features), np.concatenate(classes), contents_sha256(contents)


def draw_style(
    clusters: Clusters,
    regions: torch.Tensor,
    n_regions: int,
    label: torch.Tensor,
    *,
    numbers: npt.NDArray[np.int64] | None = None,
    label_nc: int,
    n_features: int,
    seed: int,
    key: str,
) -> torch.Tensor:
    """Draw for each region of an image one cluster centre of its class, all equally likely.

    Where a class has no clusters the features are 0, in the middle of their range.

    The result is float32 (n_features, H, W), on the device of `regions`.

    Parameters
    ----------
    regions : Tensor, integer, shape (1, H, W), in [0, n_regions)
    n_regions : int
        Any bound.
    label : Tensor, integer, shape (1, H, W), in [0, label_nc)
        For `label_nc` 0 not looked at.
    numbers : array of int64, shape (at least as many as there are regions,), optional
        What `regions` index: the number of each region in its file. By default that of `regions` itself.
    key : str
        The image's: it, the seed and a region's number determine what is drawn for it, whatever else is there.
    """
    label_of, area = classes_and_areas(regions, n_regions, label, label_nc)
    table = np.zeros((n_regions, n_features), np.float32)
    for region in np.flatnonzero(area).tolist():
        centres = clusters.centres.get(int(label_of[region]))
        if centres is not None:
            number = region if numbers is None else int(numbers[region])
            table[region] = centres[draw_cluster(len(centres), seed=seed, key=key, number=number)]
    drawn: torch.Tensor = torch.from_numpy(table).to(regions.device)[regions[0].long()]
    return drawn.permute(2, 0, 1)


def draw_cluster(n_clusters: int, *, seed: int, key: str, number: int) -> int:
    """Draw one of `n_clusters` for the region of a number, of 32 bits, in the image of a key."""
    image = int.from_bytes(hashlib.sha256(name_bytes(key)).digest(), "big")
    rng = np.random.default_rng([seed, image, number % 2**32])
    return int(rng.integers(n_clusters))


def classes_and_areas(
    regions: torch.Tensor, n_regions: int, label: torch.Tensor, label_nc: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the most frequent label (the lowest of several) and the number of pixels of each region of one image."""
    pairs = regions.flatten().long()
    if label_nc:
        pairs = pairs * label_nc + label.flatten().long()
    counts = torch.bincount(pairs, minlength=n_regions * max(label_nc, 1)).view(n_regions, -1).cpu().numpy()
    return counts.argmax(axis=1), counts.sum(axis=1)


def _cluster(
    features: npt.NDArray[np.float32], classes: npt.NDArray[np.int64], n_clusters: int
) -> dict[str, dict[int, Any]]:
    from sklearn.cluster import KMeans  # slow to import

    centres, regions = {}, {}
    for label in np.unique(classes).tolist():
        own = features[classes == label].astype(np.float64)
        k = min(n_clusters, len(np.unique(own, axis=0)))
        # Ten starts, scikit-learn's default when the original was written; now it is one.
        fitted = KMeans(n_clusters=k, n_init=10, random_state=0).fit(own)
        centres[label] = fitted.cluster_centers_.astype(np.float32)
        regions[label] = len(own)
    return {"centres": centres, "regions": regions}
