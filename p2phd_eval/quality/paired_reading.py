"""The images of one id from several sources, read side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from p2phd_eval.errors import InputError
from p2phd_eval.features.pipeline import require_unchanged
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.progress import OnProgress

Pixels = npt.NDArray[np.uint8]

BATCH_PIXELS = 1 << 20  # of one source in a batch: 0.3 GB of intermediate values


@dataclass(frozen=True, kw_only=True)
class ReadPair:
    """Some images of two sources."""

    row: int  # of the pair of sources, among those that are compared
    places: slice  # of the images, among all
    first: Tensor  # float32 (k, 3, h, w), RGB in [0, 1], on the device
    second: Tensor
    same: npt.NDArray[np.bool_]  # (k,), whether the two are equal, to the last bit


class PairedReading:
    """Reads the images of one id from all sources, and counts the photos that had to be resized.

    `samples`: one or more, whose images of one id have one size. `photos`: brought to that size where theirs is
    another, by Pillow's bicubic filter with antialiasing. `smallest`: pixels that an image needs each way.
    """

    def __init__(self, samples: Sequence[ImageSource], *, photos: ImageSource | None, smallest: int) -> None:
        self._samples, self._photos, self._smallest = samples, photos, smallest
        self._sources = [*([] if photos is None else [photos]), *samples]
        self._places = {
            id(source): {image: index for index, image in enumerate(source.ids)} for source in self._sources
        }
        self.resized = 0

    def _batches(self, ids: Sequence[str]) -> Iterator[Pixels]:
        """Yield images of one size, uint8 (sources, k, 3, h, w), in the order of `ids`; photos are the first source."""
        batch: list[Pixels] = []
        for image in ids:
            stack = self._stack(image)
            _, _, height, width = stack.shape
            if batch and (batch[0].shape != stack.shape or (len(batch) + 1) * height * width > BATCH_PIXELS):
                yield np.stack(batch, axis=1)
                batch = []
            batch.append(stack)
        yield np.stack(batch, axis=1)

    def pairs(
        self,
        ids: Sequence[str],
        compared: Sequence[tuple[int, int]],
        *,
        device: torch.device | str,
        on_progress: OnProgress,
    ) -> Iterator[ReadPair]:
        """Yield what is compared, a batch of images after the other and in it a pair of sources after the other.

        `compared`: which sources; photos are the first. `on_progress`: called with (images done, images). Raises
        `InputError` if samples of one id differ in size, an image is too small, cannot be read, or changed meanwhile.
        """
        done = 0
        for stored in self._batches(ids):
            places = slice(done, done + stored.shape[1])
            images = torch.from_numpy(stored).to(device).float() / 255
            for row, (first, second) in enumerate(compared):
                same = (stored[first] == stored[second]).all(axis=(1, 2, 3))
                yield ReadPair(row=row, places=places, first=images[first], second=images[second], same=same)
            done = places.stop
            on_progress(done, len(ids))
        for source in self._sources:
            require_unchanged(source)

    def _stack(self, image: str) -> Pixels:
        samples = [source.load(self._place(source, image)).pixels for source in self._samples]
        height, width, _ = samples[0].shape
        for source, sample in zip(self._samples, samples, strict=True):
            if sample.shape != samples[0].shape:
                raise InputError(
                    source.describe(self._place(source, image)),
                    expected=f"the size of the same image of {self._samples[0].name}, {width} x {height}",
                    found=f"{sample.shape[1]} x {sample.shape[0]}",
                    fix="Generate all samples at one size.",
                )
        if min(height, width) < self._smallest:
            raise InputError(
                self._samples[0].describe(self._place(self._samples[0], image)),
                expected=f"an image of {self._smallest} pixels or more each way, to compare it with others",
                found=f"{width} x {height}",
            )
        photos = [] if self._photos is None else [self._photo(self._photos, image, (width, height))]
        stack: Pixels = np.stack([*photos, *samples]).transpose(0, 3, 1, 2)
        return stack

    def _photo(self, photos: ImageSource, image: str, size: tuple[int, int]) -> Pixels:
        pixels = photos.load(self._place(photos, image)).pixels
        if pixels.shape[1::-1] == size:
            return pixels
        self.resized += 1
        return np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))

    def _place(self, source: ImageSource, image: str) -> int:
        return self._places[id(source)][image]
