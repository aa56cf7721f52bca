"""From an image set to its features."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from p2phd_eval import __version__
from p2phd_eval.devices import describe_device
from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.images import ImageSet, read_rgb
from p2phd_eval.stats.feature_set import FeatureSet, FeatureStamp, images_sha256
from p2phd_eval.stats.inception import DIMS, RESIZE, FidInception

_DECODERS = 4  # threads; Pillow decodes outside the interpreter's lock


class _Decoded(NamedTuple):
    pixels: npt.NDArray[np.uint8]  # (h, w, 3)
    sha256: str  # of the file's content, hexadecimal


def extract_features(
    images: ImageSet,
    network: FidInception,
    *,
    batch_size: int = 32,
    on_progress: Callable[[int, int], None] | None = None,
) -> FeatureSet:
    """Compute the features of an image set, one row an image in the set's order.

    Images may differ in size: each is scaled on its own, and batches are made of scaled images. Files are
    decoded ahead of the network in a few threads; memory holds about two batches of images whatever the
    number of images.

    Parameters
    ----------
    images : ImageSet
        At least one image.
    network : FidInception
        The network.
    batch_size : int, optional
        Images a forward pass. It changes speed and memory, and the features by rounding alone.
    on_progress : callable, optional
        Called with (images done, images in all) after each batch.

    Returns
    -------
    FeatureSet
        float32 (n, 2048) with ids, sizes and stamp.

    Raises
    ------
    InputError
        If an image cannot be read; the file is named.
    """
    if batch_size < 1:
        raise InputError("batch size", expected="at least 1", found=str(batch_size))
    n = len(images)
    values = np.empty((n, DIMS), dtype=np.float32)
    sizes = np.empty((n, 2), dtype=np.int32)
    hashes: list[str] = []
    batch: list[torch.Tensor] = []
    for index, decoded in enumerate(_decode(images.paths, ahead=batch_size)):
        hashes.append(decoded.sha256)
        height, width, _ = decoded.pixels.shape
        sizes[index] = width, height
        batch.append(network.resize(torch.from_numpy(decoded.pixels).permute(2, 0, 1)[None]))
        done = index + 1
        if len(batch) == batch_size or done == n:
            values[done - len(batch) : done] = network.embed(torch.cat(batch)).cpu().numpy()
            batch.clear()
            if on_progress is not None:
                on_progress(done, n)
    stamp = FeatureStamp(
        weights=network.weights_name,
        weights_sha256=network.weights_sha256,
        resize=RESIZE,
        dims=DIMS,
        dtype="float32",
        device=describe_device(network.device),
        images_sha256=images_sha256(images, hashes),
        n=n,
        tool=__version__,
        torch=torch.__version__,
    )
    return FeatureSet(values=values, ids=images.ids, sizes=sizes, stamp=stamp)


def _decode(paths: tuple[Path, ...], *, ahead: int) -> Iterator[_Decoded]:
    # A sliding window of futures: order is kept, and memory does not grow with the number of images.
    pending: deque[Future[_Decoded]] = deque()
    with ThreadPoolExecutor(max_workers=min(_DECODERS, os.cpu_count() or 1)) as pool:
        try:
            for path in paths:
                pending.append(pool.submit(_decode_file, path))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            # After an error nobody waits for what was decoded ahead.
            pool.shutdown(cancel_futures=True)


def _decode_file(path: Path) -> _Decoded:
    pixels = read_rgb(path)
    return _Decoded(pixels=pixels, sha256=file_sha256(path))
