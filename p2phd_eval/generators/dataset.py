"""Triplets as tensors: transformed, batched, and the same from any worker and in any resumed run."""

from __future__ import annotations

import operator
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from p2phd_eval.config import DataConfig, FeatureConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.decoded_cache import DecodedCache, Pixels
from p2phd_eval.generators.transforms import Geometry, choose_geometry
from p2phd_eval.generators.triplets import (
    Triplet,
    check_labels,
    find_triplets,
    read_map,
    read_photo,
    require_equal_sizes,
)
from p2phd_eval.images import image_size

Place = tuple[int, int]  # epoch, index of the sample: what a worker needs to make it
_ORDER, _AUGMENT = 0, 1  # independent random streams under one seed
_NO_FEATURES = FeatureConfig()


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Samples of one size, stacked. Images are uint8 as loaded and float32 in [-1, 1] once on the device."""

    triplets: tuple[Triplet, ...]
    label: torch.Tensor  # integer (N, 1, H, W) in [0, label_nc); an image (N, 3, H, W) for label_nc 0
    instance: torch.Tensor | None = None  # integer (N, 1, H, W)
    photo: torch.Tensor | None = None  # an image (N, 3, H, W)
    features: torch.Tensor | None = None  # precomputed, an image (N, 3, H, W)
    n_instances: int | None = None  # where known: all instances are in [0, n_instances)

    def _map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        def changed(x: torch.Tensor | None) -> torch.Tensor | None:
            return None if x is None else change(x)

        return replace(
            self,
            label=change(self.label),
            instance=changed(self.instance),
            photo=changed(self.photo),
            features=changed(self.features),
        )

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory, from which copies to a GPU run beside its work."""
        return self._map(torch.Tensor.pin_memory)

    def to(self, device: torch.device) -> Batch:
        """Return the batch on `device`, images as float32 in [-1, 1]; whole bytes travel, not floats."""

        def move(x: torch.Tensor) -> torch.Tensor:
            x = x.to(device, non_blocking=True)
            is_image = x.shape[1] == 3 and x.dtype == torch.uint8
            return x.to(torch.float32).div_(127.5).sub_(1.0) if is_image else x

        return self._map(move)

    def split(self, parts: int) -> list[Batch]:
        """Return the batch in `parts` equal parts, in order; it must hold a multiple of that many samples."""
        if parts == 1:
            return [self]
        size = len(self.label) // parts
        slices = [slice(i * size, (i + 1) * size) for i in range(parts)]
        return [replace(self._map(operator.itemgetter(at)), triplets=self.triplets[at]) for at in slices]


def photo_array(tensor: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Return a photo (3, H, W) in [-1, 1] as uint8 (H, W, 3), rounded to the nearest level.

    The original truncates, which darkens every sample by half a level.
    """
    levels = tensor.detach().float().cpu().add(1.0).mul(127.5).round_().clamp_(0, 255)
    return levels.to(torch.uint8).permute(1, 2, 0).numpy()


class TripletDataset(Dataset[Batch]):
    """Samples of one phase, each made from (epoch, index) alone, so that any worker or a resumed run makes the same.

    Parameters
    ----------
    root, phase, config, photos
        See `find_triplets`.
    size_multiple : int
        Both sides of the generator's input are multiples of it, in pixels.
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
        features: FeatureConfig = _NO_FEATURES,
        cache: Path | None = None,
    ) -> None:
        self.triplets = find_triplets(root, phase, config, photos=photos, features=features.precomputed)
        self.config = config
        self.size_multiple = size_multiple
        self.augment_seed = augment_seed
        self._numbers_instances = features.kind == "instance"
        self._cache = None if cache is None else DecodedCache(cache)

    def __len__(self) -> int:
        return len(self.triplets)

    def __getitem__(self, place: Place) -> Batch:
        """Return the sample as a batch of one, images as uint8.

        Raises
        ------
        InputError
            If a file cannot be read, sizes differ, or a label is out of range.
        """
        epoch, index = place
        triplet, config = self.triplets[index], self.config
        rng = None
        if self.augment_seed is not None:
            rng = np.random.default_rng([self.augment_seed, _AUGMENT, epoch, index])
        size = image_size(triplet.label)
        for path in (triplet.instance, triplet.photo, triplet.features):
            if path is not None:
                require_equal_sizes(size, triplet.label, image_size(path), path)
        geometry = choose_geometry(size, config, self.size_multiple, rng, str(triplet.label))

        label = self._load(triplet.label, "label" if config.label_nc else "image", geometry)
        instance, n_instances = None, None
        if triplet.instance is not None:
            instance = self._load(triplet.instance, "map", geometry)
            if self._numbers_instances:
                found, numbered = np.unique(instance, return_inverse=True)
                instance, n_instances = numbered.reshape(instance.shape).astype(np.int32), len(found)
        photo = None if triplet.photo is None else self._load(triplet.photo, "image", geometry)
        features = None if triplet.features is None else self._load(triplet.features, "features", geometry)
        return Batch(
            triplets=(triplet,),
            label=_tensor(label),
            instance=None if instance is None else _tensor(instance),
            photo=None if photo is None else _tensor(photo),
            features=None if features is None else _tensor(features),
            n_instances=n_instances,
        )

    def _load(self, path: Path, kind: str, geometry: Geometry) -> Pixels:
        def make() -> Pixels:
            image = read_map(path) if kind in ("label", "map") else read_photo(path)
            if kind == "label":
                # Checked in the file itself, since resizing and cropping can leave a wrong label out by chance.
                check_labels(np.asarray(image), self.config.label_nc, path)
            resample = Image.Resampling.BICUBIC if kind == "image" else Image.Resampling.NEAREST
            pixels = np.asarray(geometry.resize(image, resample))
            return pixels.astype(np.uint8 if pixels.dtype.itemsize == 1 else np.int32)

        if self._cache is None:
            return geometry.cut(make())
        treatment = f"{kind}, {self.config.label_nc} classes, {geometry.resized[0]} x {geometry.resized[1]}"
        return geometry.cut(self._cache.load(path, treatment, make))


def _tensor(pixels: Pixels) -> torch.Tensor:
    """Return (H, W) or (H, W, 3) as (1, channels, H, W)."""
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return torch.from_numpy(np.array(planes, order="C"))[None]


def epoch_batches(n: int, batch_size: int, seed: int, epoch: int) -> list[list[Place]]:
    """Return the shuffled batches of one epoch; the last incomplete batch is left out, as in the original."""
    order = np.random.default_rng([seed, _ORDER, epoch]).permutation(n)
    return [
        [(epoch, int(i)) for i in order[start : start + batch_size]]
        for start in range(0, n - batch_size + 1, batch_size)
    ]


def collate(samples: Sequence[Batch]) -> Batch:
    """Stack samples of one size.

    Raises
    ------
    InputError
        If their sizes differ after the transforms.
    """
    first = samples[0]
    for other in samples[1:]:
        if other.label.shape != first.label.shape:
            a, b = first.label.shape, other.label.shape
            raise InputError(
                str(other.triplets[0].label),
                expected=f"{a[-1]} x {a[-2]} pixels in one batch as {first.triplets[0].label.name} gives",
                found=f"{b[-1]} x {b[-2]}",
                fix="Use a --resize mode with a crop, or --batch-size 1.",
            )

    def stack(tensors: list[torch.Tensor | None]) -> torch.Tensor | None:
        present = [tensor for tensor in tensors if tensor is not None]
        return torch.cat(present) if present else None

    counts = [sample.n_instances for sample in samples if sample.n_instances is not None]
    return Batch(
        triplets=tuple(triplet for sample in samples for triplet in sample.triplets),
        label=torch.cat([sample.label for sample in samples]),
        instance=stack([sample.instance for sample in samples]),
        photo=stack([sample.photo for sample in samples]),
        features=stack([sample.features for sample in samples]),
        n_instances=max(counts) if counts else None,
    )


def load_batches(
    dataset: TripletDataset, batches: Iterable[Sequence[Place]], device: torch.device, workers: int | None = None
) -> Iterator[Batch]:
    """Yield the batches in order, on `device`; worker processes make them ahead of time.

    Parameters
    ----------
    dataset : TripletDataset
    batches : iterable of sequences of (epoch, index)
        Of all epochs: workers then live as long as the run.
    device : torch.device
    workers : int, optional
        Processes; by default 4 beside a GPU, else none. No sample depends on their number: each is seeded by its place.
    """
    on_gpu = device.type == "cuda"
    if workers is None:
        workers = 4 if on_gpu else 0
    loader: DataLoader[Batch] = DataLoader(
        dataset,
        batch_sampler=batches,  # type: ignore[arg-type]  # typed for plain indices
        collate_fn=collate,
        num_workers=workers,
        worker_init_fn=_leave_interrupts_to_the_parent,
        pin_memory=on_gpu,
    )
    for batch in loader:
        yield batch.to(device)


def _leave_interrupts_to_the_parent(_worker: int) -> None:
    # Ctrl-C reaches the whole process group; the parent finishes its step with the batches that workers still make.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
