"""From an image source to its features, or to their moments alone."""

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from p2phd_eval.cores import usable_cores
from p2phd_eval.devices import describe_device
from p2phd_eval.errors import InputError
from p2phd_eval.features.feature_set import FeatureSet, FeatureStamp, images_sha256
from p2phd_eval.features.networks.protocol import FeatureNetwork
from p2phd_eval.features.prepared import FeatureBlock, Prepared, embed_prepared, prepare_image, stack_prepared
from p2phd_eval.images.oddities import Oddity, count_oddities
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.versions import stamp_versions
from p2phd_eval.workers import in_batches, load_in_order

_CHUNK = 8  # images that travel from a decoding process together: 8.6 MB of Inception's input
_SMALL = 64  # images below which starting processes takes longer than it saves


class _Images(Dataset[Any]):
    """Decodes and resizes; runs in the decoding processes."""

    def __init__(self, source: ImageSource, prepare: Callable[[npt.NDArray[np.uint8]], Tensor]) -> None:
        self._source, self._prepare = source, prepare

    def __getitem__(self, index: int) -> Prepared:
        return prepare_image(self._source, index, self._prepare)


def usual_workers(device: torch.device, n: int) -> int:
    """Return how many decoding processes are started for `n` images unless the caller says otherwise."""
    if n < _SMALL:
        return 0
    cores = max(
        1, usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    )  # torchrun's processes share a machine
    # On a CPU the network needs the cores itself: two keep it fed.
    return min(cores, 2 if device.type == "cpu" else 16)


def read_features(
    source: ImageSource,
    network: FeatureNetwork,
    indices: Sequence[int],
    *,
    workers: int | None = None,
    on_progress: OnProgress = unwatched,
) -> Iterator[FeatureBlock]:
    """Compute the features of some images, block by block, while other processes decode and resize the next ones.

    Memory does not grow with the number of images. No feature depends on the number of processes, nor on which other
    images are read: each goes alone through the resize, and through the network in passes of a fixed size.

    `indices`: which images, in the order in which they are wanted. `workers`: decoding processes, by default
    `usual_workers`; no more are started than images and cores ask for, and with 0 this process decodes. Raises
    `InputError` if an image cannot be read (it is named), or the decoding processes have too little shared memory.
    """
    if workers is None:
        workers = usual_workers(network.device, len(indices))
    chunks = load_in_order(
        _Images(source, network.prepare),
        in_batches(indices, _CHUNK),
        stack_prepared,
        workers=0 if source.in_process else min(workers, math.ceil(len(indices) / _CHUNK)),
        pin_memory=network.device.type == "cuda",
    )
    done = 0
    for group in _grouped(chunks, max(1, network.batch_size // _CHUNK)):
        block = embed_prepared(network, stack_prepared(group))
        done += len(block.values)
        yield block
        on_progress(done, len(indices))


def feature_set_of(source: ImageSource, network: FeatureNetwork, blocks: Sequence[FeatureBlock]) -> FeatureSet:
    """Put the blocks of all images of a source together, in its order."""
    return assemble(blocks, network, source=source.name, names=source.names, ids=source.ids)


def assemble(
    blocks: Sequence[FeatureBlock], network: FeatureNetwork, *, source: str, names: Sequence[str], ids: Sequence[str]
) -> FeatureSet:
    """Put blocks together to the features of images called `names`, of which `source` is where they came from."""
    hashes = [sha256 for block in blocks for sha256 in block.hashes]
    formats = Counter(name for block in blocks for name in block.formats)
    oddities = [found for block in blocks for found in block.oddities]
    return FeatureSet(
        values=np.concatenate([block.values for block in blocks]),
        ids=tuple(ids),
        sizes=np.concatenate([block.sizes for block in blocks]),
        stamp=stamp_of(network, source=source, names=names, hashes=hashes, formats=formats, oddities=oddities),
    )


def stamp_of(
    network: FeatureNetwork,
    *,
    source: str,
    names: Sequence[str],
    hashes: Sequence[str],
    formats: Counter[str],
    oddities: Sequence[Sequence[Oddity]],
) -> FeatureStamp:
    """Return the stamp of all images of a source.

    `names`, `hashes`, `oddities`: of each image its name, its content's hash, and why it may be another than it seems.
    `formats`: how many images have each.
    """
    counts, examples = count_oddities(names, oddities)
    return FeatureStamp(
        **asdict(network.identity),
        device=describe_device(network.device),
        source=source,
        images_sha256=images_sha256(names, hashes),
        n=len(names),
        formats=dict(sorted(formats.items())),
        duplicates=len(hashes) - len(set(hashes)),
        oddities=counts,
        odd_examples=examples,
        **stamp_versions(),
    )


def require_unchanged(source: ImageSource) -> None:
    """Raise InputError if images were added, removed or rewritten since the source was listed."""
    change = source.changed()
    if change is not None:
        raise changed_while_read(source, change)


def changed_while_read(source: ImageSource, found: str) -> InputError:
    """Return the error of a source whose images were not the same from the first to the last read."""
    return InputError(
        source.name,
        expected="the same images from the first to the last read",
        found=found,
        fix="Run the command again when nothing writes there any more.",
    )


def _grouped(chunks: Iterator[Any], size: int) -> Iterator[list[Prepared]]:
    group: list[Prepared] = []
    for chunk in chunks:
        group.append(Prepared(*chunk))
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
