"""From an image source to its features, or to their moments alone."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from p2phd_eval.devices import describe_device
from p2phd_eval.errors import InputError
from p2phd_eval.sources.source import ImageSource
from p2phd_eval.stats.feature_network import FeatureNetwork, embed_all, stamp_versions
from p2phd_eval.stats.feature_set import FeatureSet, FeatureStamp, images_sha256

_CHUNK = 8  # images that travel from a decoding process together: 8.6 MB of Inception's input
_SMALL = 64  # images below which starting processes takes longer than it saves

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class FeatureBlock:
    """Features of some consecutive images of a source, with what was noticed while reading them."""

    values: npt.NDArray[np.float32]  # (k, dims)
    sizes: npt.NDArray[np.int32]  # (k, 2), width and height in pixels
    hashes: tuple[str, ...]  # SHA-256 of each image's content, hexadecimal
    formats: tuple[str, ...]  # such as "PNG"


class _Chunk(NamedTuple):
    prepared: Tensor  # (k, ...)
    sizes: list[tuple[int, int]]
    hashes: list[str]
    formats: list[str]


class _Prepared(Dataset[Any]):
    """Decodes and resizes; runs in the decoding processes."""

    def __init__(self, source: ImageSource, prepare: Callable[[npt.NDArray[np.uint8]], Tensor]) -> None:
        self._source, self._prepare = source, prepare

    def __getitem__(self, index: int) -> _Chunk | InputError:
        try:
            image = self._source.load(index)
        except InputError as error:
            return error  # an exception would reach the parent as text, with the process's traceback
        height, width, _ = image.pixels.shape
        return _Chunk(self._prepare(image.pixels)[None], [(width, height)], [image.sha256], [image.format])


def usual_workers(device: torch.device, n: int) -> int:
    """Return how many decoding processes are started for `n` images unless the caller says otherwise."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if n < _SMALL:
        return 0
    # On a CPU the network needs the cores itself: two keep it fed.
    return min(cores, 2 if device.type == "cpu" else 16)


def read_features(
    source: ImageSource,
    network: FeatureNetwork,
    indices: Sequence[int],
    *,
    workers: int | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[FeatureBlock]:
    """Compute the features of some images, block by block, while other processes decode and resize the next ones.

    Memory does not grow with the number of images. No feature depends on the number of processes, nor on which other
    images are read: each goes alone through the resize, and through the network in passes of a fixed size.

    Parameters
    ----------
    source : ImageSource
    network : FeatureNetwork
    indices : sequence of int
        Of the images, in the order in which they are wanted.
    workers : int, optional
        Decoding processes, by default `usual_workers`; with 0 this process decodes.
    on_progress : callable, optional
        Called with (images done, images in all).

    Yields
    ------
    FeatureBlock

    Raises
    ------
    InputError
        If an image cannot be read (it is named), or the decoding processes have too little shared memory.
    """
    if workers is None:
        workers = usual_workers(network.device, len(indices))
    loader: DataLoader[Any] = DataLoader(
        _Prepared(source, network.prepare),
        batch_size=_CHUNK,
        sampler=indices,
        collate_fn=_stack,
        num_workers=0 if source.in_process else workers,
        pin_memory=network.device.type == "cuda",
        worker_init_fn=_leave_interrupts_to_the_parent,
    )
    done = 0
    for chunks in _grouped(loader, max(1, network.batch_size // _CHUNK)):
        values = embed_all(network, torch.cat([chunk.prepared for chunk in chunks])).cpu().numpy()
        done += len(values)
        yield FeatureBlock(
            values=values,
            sizes=np.array([size for chunk in chunks for size in chunk.sizes], dtype=np.int32),
            hashes=tuple(sha256 for chunk in chunks for sha256 in chunk.hashes),
            formats=tuple(name for chunk in chunks for name in chunk.formats),
        )
        if on_progress is not None:
            on_progress(done, len(indices))


def extract_features(
    source: ImageSource,
    network: FeatureNetwork,
    *,
    workers: int | None = None,
    on_progress: OnProgress | None = None,
) -> FeatureSet:
    """Compute the features of all images of a source, one row an image in the source's order.

    Images may differ in size: each is resized on its own.

    Parameters
    ----------
    source : ImageSource
        At least one image.
    network, workers, on_progress
        See `read_features`.

    Returns
    -------
    FeatureSet
        float32 (n, dims) with ids, sizes and stamp.

    Raises
    ------
    InputError
        If an image cannot be read, or the source changed meanwhile.
    """
    blocks = list(read_features(source, network, range(len(source)), workers=workers, on_progress=on_progress))
    require_unchanged(source)
    return feature_set_of(source, network, blocks)


def feature_set_of(source: ImageSource, network: FeatureNetwork, blocks: Sequence[FeatureBlock]) -> FeatureSet:
    """Put the blocks of all images of a source together, in its order."""
    hashes = [sha256 for block in blocks for sha256 in block.hashes]
    formats = Counter(name for block in blocks for name in block.formats)
    return FeatureSet(
        values=np.concatenate([block.values for block in blocks]),
        ids=source.ids,
        sizes=np.concatenate([block.sizes for block in blocks]),
        stamp=stamp_of(source, network, hashes, formats),
    )


def stamp_of(
    source: ImageSource, network: FeatureNetwork, hashes: Sequence[str], formats: Counter[str]
) -> FeatureStamp:
    """Return the stamp of all images of a source, given their contents' hashes, in order, and their formats."""
    return FeatureStamp(
        **asdict(network.identity),
        device=describe_device(network.device),
        source=source.name,
        images_sha256=images_sha256(source.names, hashes),
        n=len(source),
        formats=dict(sorted(formats.items())),
        duplicates=len(hashes) - len(set(hashes)),
        **stamp_versions(),
    )


def require_unchanged(source: ImageSource) -> None:
    """Raise InputError if images were added, removed or rewritten since the source was listed."""
    change = source.changed()
    if change is not None:
        raise InputError(
            source.name,
            expected="the same images from the first to the last read",
            found=change,
            fix="Run the command again when nothing writes there any more.",
        )


def _grouped(loader: DataLoader[Any], size: int) -> Iterator[list[_Chunk]]:
    group: list[_Chunk] = []
    try:
        for chunk in loader:
            if isinstance(chunk, InputError):
                raise chunk
            group.append(_Chunk(*chunk))
            if len(group) == size:
                yield group
                group = []
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise InputError(
            "decoding processes",
            expected="them to run to the end",
            found=f"that one was killed ({str(error).splitlines()[0]})",
            fix="Often /dev/shm is too small, or memory ran out. Pass --workers 0, or give the container more.",
        ) from error
    if group:
        yield group


def _stack(items: list[_Chunk | InputError]) -> _Chunk | InputError:
    chunks: list[_Chunk] = []
    for item in items:
        if isinstance(item, InputError):
            return item
        chunks.append(item)
    return _Chunk(
        torch.cat([chunk.prepared for chunk in chunks]),
        *([value for chunk in chunks for value in getattr(chunk, name)] for name in _Chunk._fields[1:]),
    )


def _leave_interrupts_to_the_parent(_worker: int) -> None:
    # Ctrl-C reaches the whole process group; the parent says what happened, once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
