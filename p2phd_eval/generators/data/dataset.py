"""Triplets as tensors: transformed, batched, and the same from any worker and in any resumed run."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from p2phd_eval.config import DataConfig, FeatureConfig, TrainConfig
from p2phd_eval.generators.data.batch import Batch, as_sample, collate
from p2phd_eval.generators.data.decoded_cache import DecodedCache, Pixels, require_cache_folder
from p2phd_eval.generators.data.transforms import Geometry, Size, choose_geometry
from p2phd_eval.generators.data.triplets import (
    MapKind,
    check_labels,
    find_triplets,
    read_map,
    read_photo,
    require_equal_sizes,
)
from p2phd_eval.images.decoding import image_size
from p2phd_eval.images.encoded_files import read_encoded
from p2phd_eval.workers import load_in_order

Place = tuple[int, int]  # epoch, index of the sample: what a worker needs to make it
_ORDER, _AUGMENT = 0, 1  # independent random streams under one seed
_NO_FEATURES = FeatureConfig()
PartKind = MapKind | Literal["image", "features"]
_KINDS: dict[str, PartKind] = {
    "label": "label map",
    "instance": "instance map",
    "photo": "image",
    "features": "features",
}


def part_kinds(config: DataConfig) -> dict[str, PartKind]:
    """Return what the parts of a sample hold, by the names that `Triplet.files` gives them."""
    return _KINDS if config.label_nc else _KINDS | {"label": "image"}


class TripletDataset(Dataset[Batch]):
    """Samples of one phase, each made from (epoch, index) alone, so that any worker or a resumed run makes the same.

    Parameters
    ----------
    root, phase, config, photos
        See `find_triplets`.
    size_multiple : int
        Both sides of the generator's input are multiples of it, in pixels.
    least_side : int
        Pixels of each side that the networks need in any case.
    augment_seed : int or None
        Seed of crops and flips; None for sampling: whole images, not mirrored.
    features : FeatureConfig
        Whether precomputed feature maps are read, and whether instances are numbered from 0 for the encoder.
    cache : Path or None
        Folder for decoded and resized images.
    """

    def __init__(
        self,
        root: Path,
        phase: str,
        config: DataConfig,
        *,
        size_multiple: int,
        photos: bool,
        augment_seed: int | None,
        least_side: int = 0,
        features: FeatureConfig = _NO_FEATURES,
        cache: Path | None = None,
    ) -> None:
        self.triplets = find_triplets(root, phase, config, photos=photos, features=features.precomputed)
        self.config = config
        self.size_multiple, self.least_side = size_multiple, least_side
        self.augment_seed = augment_seed
        self._numbers_instances = features.kind == "instance"
        self._cache = None if cache is None else DecodedCache(cache)

    def size_of(self, place: Place) -> Size:
        """Return width and height in pixels that a sample has for the networks, from its label map's header."""
        return self._geometry(place, image_size(self.triplets[place[1]].label)).size

    def _geometry(self, place: Place, size: Size) -> Geometry:
        rng = None
        if self.augment_seed is not None:
            rng = np.random.default_rng([self.augment_seed, _AUGMENT, *place])
        where = str(self.triplets[place[1]].label)
        return choose_geometry(size, self.config, self.size_multiple, rng, where, least=self.least_side)

    def __len__(self) -> int:
        return len(self.triplets)

    def __getitem__(self, place: Place) -> Batch:
        """Return the sample as a batch of one, images as uint8.

        Raises `InputError` if a file cannot be read, sizes differ, or a label is out of range.
        """
        triplet, config = self.triplets[place[1]], self.config
        size = image_size(triplet.label)
        for path in (triplet.instance, triplet.photo, triplet.features):
            if path is not None:
                require_equal_sizes(size, triplet.label, image_size(path), path)
        geometry = self._geometry(place, size)

        kinds = part_kinds(config)
        contents, parts = {}, dict[str, Pixels]()
        for part, path in triplet.files.items():
            parts[part], contents[part] = self._load(path, kinds[part], geometry)
        return as_sample(triplet, parts, numbers_instances=self._numbers_instances, contents=contents)

    def _load(self, path: Path, kind: PartKind, geometry: Geometry) -> tuple[Pixels, str]:
        """Return the pixels, and the SHA-256 of the very content that they were decoded from."""
        content = read_encoded(path)
        sha256 = hashlib.sha256(content).hexdigest()

        def make() -> Pixels:
            image = (
                read_map(path, kind, content) if kind in ("label map", "instance map") else read_photo(path, content)
            )
            if kind == "label map":
                # Checked in the file itself, since resizing and cropping can leave a wrong label out by chance.
                check_labels(np.asarray(image), self.config.label_nc, path)
            return resized_pixels(image, kind, geometry)

        if self._cache is None:
            return geometry.cut(make()), sha256
        treatment = f"{kind}, {self.config.label_nc} classes, {geometry.resized[0]} x {geometry.resized[1]}"
        return geometry.cut(self._cache.load(sha256, treatment, geometry.resized, make)), sha256


def resized_pixels(image: Image.Image, kind: PartKind, geometry: Geometry) -> Pixels:
    """Return an image at the resized size of a geometry, uint8 or int32; `kind`: what it is of."""
    resample = Image.Resampling.BICUBIC if kind == "image" else Image.Resampling.NEAREST
    pixels = np.asarray(geometry.resize(image, resample))
    return pixels.astype(np.uint8 if pixels.dtype.itemsize == 1 else np.int32)


def training_set(config: TrainConfig, data: Path) -> TripletDataset:
    """Open the samples that a training sees, in its crops and flips; raises InputError if they cannot be used."""
    cache = config.execution.cache
    if cache is not None:
        require_cache_folder(Path(cache), data)
    return TripletDataset(
        data,
        config.data.phase,
        config.data,
        size_multiple=config.size_multiple,
        least_side=config.least_side,
        photos=True,
        augment_seed=config.seed,
        features=config.features,
        cache=None if cache is None else Path(cache),
    )


def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> list[list[Place]]:
    """Return the shuffled batches of one epoch; the last incomplete batch is left out, as in the original."""
    order = np.random.default_rng([seed, _ORDER, epoch]).permutation(n)
    return [
        [(epoch, int(i)) for i in order[start : start + batch_size]]
        for start in range(0, n - batch_size + 1, batch_size)
    ]


def default_workers(device: torch.device) -> int:
    """Return how many processes load data: 4 beside a GPU, which would wait for one, elsewhere none."""
    return 4 if device.type == "cuda" else 0


def load_batches(
    dataset: TripletDataset, batches: Iterable[Sequence[Place]], device: torch.device, workers: int | None = None
) -> Iterator[Batch]:
    """Yield the batches in order, on `device`; worker processes make them ahead of time.

    `batches`, iterable of sequences of (epoch, index): the batches of all epochs, so that workers live as long as the
    run. `workers`: processes; by default `default_workers`. No sample depends on their number: each is seeded by its
    place. Raises what the data set raises, with its type and message, and `InputError` if a worker is killed.
    """
    batches_made: Iterator[Batch] = load_in_order(
        dataset,
        batches,
        collate,
        workers=default_workers(device) if workers is None else workers,
        pin_memory=device.type == "cuda",
    )
    for batch in batches_made:
        yield batch.to(device)
