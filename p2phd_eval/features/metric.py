"""FID of images that come batch by batch: the object that training loops keep, as torchmetrics has it."""

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

from p2phd_eval.errors import InputError
from p2phd_eval.features.device_moments import accumulator_on, frechet_distance_on
from p2phd_eval.features.networks.protocol import FeatureNetwork
from p2phd_eval.features.prepared import FeatureBlock, Prepared, embed_prepared, prepare_image, stack_prepared
from p2phd_eval.images.oddities import count_oddities, oddity_sentences
from p2phd_eval.images.sources.arrays import ArraySource, Layout, require_images_alone
from p2phd_eval.stats.distances.frechet import FrechetDistance


class FeatureStream:
    """Features of images that come in batches of any size, embedded in passes of the network's own.

    `sink`: called with each `FeatureBlock`, in the order of the images.
    """

    def __init__(self, network: FeatureNetwork, sink: Callable[[FeatureBlock], None]) -> None:
        self._network, self._sink = network, sink
        self._waiting: list[Prepared] = []  # images that do not fill a pass yet

    def add(self, images: Any, *, layout: Layout | None = None) -> None:
        """Add images.

        `images`: see `ArraySource`: uint8 arrays (n, h, w, 3) or tensors (n, 3, h, w), unless `layout`, "NHWC" or
        "NCHW", says otherwise; or one image without n. Raises `InputError` if they are not such images.
        """
        require_images_alone(images)
        if isinstance(images, list | tuple) and len(images) > 1 and all(getattr(x, "ndim", 0) == 4 for x in images):
            raise InputError(
                "images",
                expected="one array of images a batch",
                found=f"{len(images)} arrays, such as inputs and targets",
                fix="Take one of them out of each batch: (batch[0] for batch in loader), or batch[0] of one.",
            )
        source = ArraySource([images] if getattr(images, "ndim", None) == 3 else images, layout=layout)
        for index in range(len(source)):
            self._waiting.append(prepare_image(source, index, self._network.prepare))
            if len(self._waiting) == self._network.batch_size:
                self.flush()

    def flush(self) -> None:
        """Embed what waits for a full pass."""
        if self._waiting:
            self._sink(embed_prepared(self._network, stack_prepared(self._waiting)))
            self._waiting.clear()


class _Images:
    """What a metric keeps of one set of images."""

    def __init__(self, network: FeatureNetwork) -> None:
        self.stream = FeatureStream(network, self._take)
        self.moments = accumulator_on(network.device)
        self.n = 0
        self.oddities: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def _take(self, block: FeatureBlock) -> None:
        names = [f"number {self.n + k}" for k in range(len(block.values))]
        counts, examples = count_oddities(names, block.oddities)
        self.moments.update(block.values)
        self.n += len(names)
        self.oddities.update(counts)
        self.examples = examples | self.examples


class FidMetric:
    """FID of real and generated images, updated batch by batch, in memory that does not grow with their number.

    Parameters
    ----------
    network : FeatureNetwork
        Such as ``load_inception(find_weights(), "cuda")``.

    Examples
    --------
    >>> metric = FidMetric(load_inception(find_weights(), "cuda"))
    >>> for photo, generated in loader:
    ...     metric.update(photo, real=True)
    ...     metric.update(generated, real=False)
    >>> metric.compute().value
    """

    def __init__(self, network: FeatureNetwork) -> None:
        self._network = network
        self.reset(keep_real=False)

    def __repr__(self) -> str:
        return f"FidMetric: {self._network.identity.weights} on {self._network.device}"

    def update(self, images: Any, *, real: bool, layout: Layout | None = None) -> None:
        """Add images to the real or to the generated ones.

        Parameters
        ----------
        images : ndarray of uint8 (n, h, w, 3), or Tensor of uint8 (n, 3, h, w)
            RGB in [0, 255], on any device. The distance does not depend on how they are dealt out over calls.
        real : bool
            Which set they belong to.
        layout : {"NHWC", "NCHW"}, optional
            The order of the axes, where it is not the usual one of arrays and tensors.

        Raises
        ------
        InputError
            If they are not such images.
        """
        (self._real if real else self._fake).stream.add(images, layout=layout)

    def compute(self) -> FrechetDistance:
        """Return the distance of all images so far, on the network's device in float64; more may follow.

        Images that may be others than they seem, such as values in [0, 1] cast to uint8, are a `UserWarning`.

        Raises
        ------
        InputError
            If a set has fewer than two images.
        """
        for set_, who in ((self._real, "real"), (self._fake, "generated")):
            set_.stream.flush()
            for sentence in oddity_sentences(set_.oddities, set_.examples, set_.n):
                warnings.warn(f"the {who} images: {sentence}", stacklevel=2)
        return frechet_distance_on(self._network.device, *(each.moments.result() for each in (self._real, self._fake)))

    def reset(self, *, keep_real: bool = True) -> None:
        """Forget the generated images, and the real ones too unless `keep_real`."""
        self._fake = _Images(self._network)
        if not keep_real:
            self._real = _Images(self._network)
