"""Images on their way from the decoder through the network: prepared, stacked, embedded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from p2phd_eval.features.networks.protocol import FeatureNetwork, embed_all
from p2phd_eval.images.oddities import Oddity
from p2phd_eval.images.sources.source import ImageSource


class Prepared(NamedTuple):
    """Some images at the network's size, with what was noticed while reading them."""

    tensor: Tensor  # (k, ...), what `FeatureNetwork.embed` takes
    sizes: list[tuple[int, int]]  # width and height of each image in pixels, as stored
    hashes: list[str]  # SHA-256 of each image's content, hexadecimal
    formats: list[str]  # such as "PNG"
    oddities: list[tuple[Oddity, ...]]  # of each image


@dataclass(frozen=True, kw_only=True)
class FeatureBlock:
    """Features of some consecutive images, with what was noticed while reading them."""

    values: npt.NDArray[np.float32]  # (k, dims)
    sizes: npt.NDArray[np.int32]  # (k, 2), width and height in pixels
    hashes: tuple[str, ...]  # SHA-256 of each image's content, hexadecimal
    formats: tuple[str, ...]  # such as "PNG"
    oddities: tuple[tuple[Oddity, ...], ...]  # of each image


def prepare_image(source: ImageSource, index: int, prepare: Callable[[npt.NDArray[np.uint8]], Tensor]) -> Prepared:
    """Read one image and bring it to the network's size."""
    image = source.load(index)
    height, width, _ = image.pixels.shape
    return Prepared(prepare(image.pixels)[None], [(width, height)], [image.sha256], [image.format], [image.oddities])


def stack_prepared(parts: Sequence[Prepared]) -> Prepared:
    """Join prepared images, in order."""
    return Prepared(
        torch.cat([part.tensor for part in parts]),
        [size for part in parts for size in part.sizes],
        [sha256 for part in parts for sha256 in part.hashes],
        [name for part in parts for name in part.formats],
        [found for part in parts for found in part.oddities],
    )


def embed_prepared(network: FeatureNetwork, images: Prepared) -> FeatureBlock:
    """Compute the features of prepared images."""
    return FeatureBlock(
        values=embed_all(network, images.tensor).cpu().numpy(),
        sizes=np.array(images.sizes, dtype=np.int32),
        hashes=tuple(images.hashes),
        formats=tuple(images.formats),
        oddities=tuple(map(tuple, images.oddities)),
    )
