"""Samples of one size as tensors, and the way of images to tensors and back."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.data.triplets import Triplet


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Samples of one size, stacked. Images are uint8 as loaded and float32 in [-1, 1] once on the device."""

    triplets: tuple[Triplet, ...]
    label: torch.Tensor  # integer (N, 1, H, W) in [0, label_nc); an image (N, 3, H, W) for label_nc 0
    instance: torch.Tensor | None = None  # integer (N, 1, H, W)
    photo: torch.Tensor | None = None  # an image (N, 3, H, W)
    features: torch.Tensor | None = None  # precomputed, an image (N, 3, H, W)
    n_instances: int | None = None  # where known: all instances are in [0, n_instances)
    # Where instances were numbered anew, from 0: the numbers that each sample's had, in that order, int64.
    instance_numbers: tuple[npt.NDArray[np.int64], ...] = ()
    contents: tuple[dict[str, str], ...] = ()  # of each sample, the SHA-256 of the files it was decoded from, by part

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
        return [
            replace(
                self._map(operator.itemgetter(at)),
                triplets=self.triplets[at],
                instance_numbers=self.instance_numbers[at],
                contents=self.contents[at],
            )
            for at in slices
        ]


def as_sample(
    triplet: Triplet,
    parts: Mapping[str, npt.NDArray[Any]],
    *,
    numbers_instances: bool,
    contents: Mapping[str, str] | None = None,
) -> Batch:
    """Return pixels, as the networks are to see them, as a batch of one.

    `parts`: by what they are of, as `Triplet.files`; uint8 or int32, (H, W) or (H, W, 3). `numbers_instances`: whether
    instances are numbered from 0, for the encoder. `contents`: what `Batch.contents` says of the sample.
    """
    fields: dict[str, Any] = {}
    pixels = dict(parts)
    if "instance" in pixels and numbers_instances:
        found, numbered = np.unique(pixels["instance"], return_inverse=True)
        pixels["instance"] = numbered.reshape(pixels["instance"].shape).astype(np.int32)
        fields = {"n_instances": len(found), "instance_numbers": (found.astype(np.int64),)}
    fields |= {part: _tensor(each) for part, each in pixels.items()}
    return Batch(triplets=(triplet,), **fields, contents=(dict(contents or {}),))


def _tensor(pixels: npt.NDArray[Any]) -> torch.Tensor:
    """Return (H, W) or (H, W, 3) as (1, channels, H, W)."""
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return torch.from_numpy(np.array(planes, order="C"))[None]


def photo_array(tensor: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Return a photo (3, H, W) in [-1, 1] as uint8 (H, W, 3), rounded to the nearest level.

    The original truncates, which darkens every sample by half a level.
    """
    levels = tensor.detach().float().cpu().add(1.0).mul(127.5).round_().clamp_(0, 255)
    return levels.to(torch.uint8).permute(1, 2, 0).numpy()


def collate(samples: Sequence[Batch]) -> Batch:
    """Stack samples of one size; raises InputError if their sizes differ after the transforms."""
    first = samples[0]
    for other in samples[1:]:
        if other.label.shape != first.label.shape:
            a, b = first.label.shape, other.label.shape
            raise InputError(
                str(other.triplets[0].label),
                expected=f"{a[-1]} x {a[-2]} pixels in one batch as {first.triplets[0].label.name} gives",
                found=f"{b[-1]} x {b[-2]}",
                fix="Use a --resize-or-crop mode with a crop, or --batch-size 1.",
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
        instance_numbers=tuple(numbers for sample in samples for numbers in sample.instance_numbers),
        contents=tuple(contents for sample in samples for contents in sample.contents),
    )


def regions_of(batch: Batch, config: TrainConfig) -> tuple[torch.Tensor, int | None]:
    """Return the map (N, 1, H, W) of the regions that features are averaged over, and a known bound of its numbers."""
    if config.features.kind == "label":
        return batch.label, config.data.label_nc
    assert batch.instance is not None  # the configuration asks for instances
    return batch.instance, batch.n_instances
