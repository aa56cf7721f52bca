"""FID of images that come batch by batch: the object that training loops keep, as torchmetrics has it."""

from collections.abc import Callable
from typing import Any

from p2phd_eval.features.device_moments import accumulator_on, frechet_distance_on
from p2phd_eval.features.networks.protocol import FeatureNetwork
from p2phd_eval.features.prepared import FeatureBlock, Prepared, embed_prepared, prepare_image, stack_prepared
from p2phd_eval.images.sources.arrays import ArraySource, Layout
from p2phd_eval.stats.distances.frechet import FrechetDistance
from p2phd_eval.stats.distances.moments import MomentAccumulator


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
        "NCHW", says otherwise. Raises `InputError` if they are not such images.
        """
        source = ArraySource(images, layout=layout)
        for index in range(len(source)):
            self._waiting.append(prepare_image(source, index, self._network.prepare))
            if len(self._waiting) == self._network.batch_size:
                self.flush()

    def flush(self) -> None:
        """Embed what waits for a full pass."""
        if self._waiting:
            self._sink(embed_prepared(self._network, stack_prepared(self._waiting)))
            self._waiting.clear()


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
        (self._real if real else self._fake)[0].add(images, layout=layout)

    def compute(self) -> FrechetDistance:
        """Return the distance of all images so far, on the network's device in float64; more may follow.

        Raises
        ------
        InputError
            If a set has fewer than two images.
        """
        for stream, _ in (self._real, self._fake):
            stream.flush()
        return frechet_distance_on(self._network.device, self._real[1].result(), self._fake[1].result())

    def reset(self, *, keep_real: bool = True) -> None:
        """Forget the generated images, and the real ones too unless `keep_real`."""
        self._fake = self._start()
        if not keep_real:
            self._real = self._start()

    def _start(self) -> tuple[FeatureStream, MomentAccumulator]:
        accumulator = accumulator_on(self._network.device)
        return FeatureStream(self._network, lambda block: accumulator.update(block.values)), accumulator
