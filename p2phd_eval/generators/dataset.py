"""Triplets as tensors: transformed, batched, and the same from any worker and in any resumed run."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from p2phd_eval.config import DataConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.transforms import choose_geometry
from p2phd_eval.generators.triplets import (
    Triplet,
    check_labels,
    find_triplets,
    read_map,
    read_photo,
    require_equal_sizes,
)

Place = tuple[int, int]  # epoch, index of the sample: what a worker needs to make it
_ORDER, _AUGMENT = 0, 1  # independent random streams under one seed


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Samples of one size, stacked."""

    triplets: tuple[Triplet, ...]
    label: torch.Tensor  # int32 (N, 1, H, W) in [0, label_nc); float32 (N, 3, H, W) in [-1, 1] for label_nc 0
    instance: torch.Tensor | None = None  # int32 (N, 1, H, W)
    photo: torch.Tensor | None = None  # float32 (N, 3, H, W) in [-1, 1]

    def to(self, device: torch.device) -> Batch:
        """Return the batch with its tensors on `device`."""

        def move(x: torch.Tensor | None) -> torch.Tensor | None:
            return None if x is None else x.to(device, non_blocking=True)

        label = self.label.to(device, non_blocking=True)
        return Batch(triplets=self.triplets, label=label, instance=move(self.instance), photo=move(self.photo))


def photo_tensor(image: Image.Image) -> torch.Tensor:
    """Return an RGB image as float32 (3, H, W) in [-1, 1]."""
    values = torch.from_numpy(np.array(image, dtype=np.uint8)).permute(2, 0, 1)
    return values.to(torch.float32, memory_format=torch.contiguous_format).div_(127.5).sub_(1.0)


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
    """

    def __init__(
        self, root: Path, phase: str, config: DataConfig, *, size_multiple: int, photos: bool, augment_seed: int | None
    ) -> None:
        self.triplets = find_triplets(root, phase, config, photos=photos)
        self.config = config
        self.size_multiple = size_multiple
        self.augment_seed = augment_seed

    def __len__(self) -> int:
        return len(self.triplets)

    def __getitem__(self, place: Place) -> Batch:
        """Return the sample as a batch of one.

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

        label = read_map(triplet.label) if config.label_nc else read_photo(triplet.label)
        geometry = choose_geometry(label.size, config, self.size_multiple, rng, str(triplet.label))
        nearest, bicubic = Image.Resampling.NEAREST, Image.Resampling.BICUBIC
        if config.label_nc:
            # Checked in the file itself, since resizing and cropping can leave a wrong label out by chance.
            check_labels(np.asarray(label), config.label_nc, triplet.label)
            label_tensor = _map_tensor(geometry.apply(label, nearest))
        else:
            label_tensor = photo_tensor(geometry.apply(label, bicubic))
        instance_tensor = photo = None
        if triplet.instance is not None:
            image = read_map(triplet.instance)
            require_equal_sizes(label.size, triplet.label, image.size, triplet.instance)
            instance_tensor = _map_tensor(geometry.apply(image, nearest))[None]
        if triplet.photo is not None:
            image = read_photo(triplet.photo)
            require_equal_sizes(label.size, triplet.label, image.size, triplet.photo)
            photo = photo_tensor(geometry.apply(image, bicubic))[None]
        return Batch(triplets=(triplet,), label=label_tensor[None], instance=instance_tensor, photo=photo)


def _map_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image).astype(np.int32))[None]


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

    return Batch(
        triplets=tuple(triplet for sample in samples for triplet in sample.triplets),
        label=torch.cat([sample.label for sample in samples]),
        instance=stack([sample.instance for sample in samples]),
        photo=stack([sample.photo for sample in samples]),
    )


def load_batches(dataset: TripletDataset, batches: Sequence[Sequence[Place]], device: torch.device) -> Iterator[Batch]:
    """Yield the batches in order, on `device`; beside a GPU they are made by worker processes ahead of time."""
    on_gpu = device.type == "cuda"
    loader: DataLoader[Batch] = DataLoader(
        dataset,
        batch_sampler=batches,  # type: ignore[arg-type]  # typed for plain indices
        collate_fn=collate,
        num_workers=4 if on_gpu else 0,
        worker_init_fn=_leave_interrupts_to_the_parent,
        pin_memory=on_gpu,
    )
    for batch in loader:
        yield batch.to(device)


def _leave_interrupts_to_the_parent(_worker: int) -> None:
    # Ctrl-C reaches the whole process group; the parent finishes its step with the batches that workers still make.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
