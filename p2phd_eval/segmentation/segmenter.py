"""What a network must offer for generated photos to be read by it."""

from typing import Protocol

from torch import Tensor


class Segmenter(Protocol):
    """Names the class of each pixel of a photo: a published network, one of your own, or one that the tool trained."""

    #: For people: "segformer", "trained", "my_module:build".
    name: str
    #: SHA-256, in hexadecimal digits, of what decides the answers: weights, code, settings. Scores compare where it
    #: agrees.
    identity: str
    #: The names of the K classes, in the order of their numbers.
    classes: tuple[str, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """Name each pixel's class. An image's answer does not depend on the others that come with it.

        Parameters
        ----------
        images : Tensor of uint8, shape (n, h, w, 3)
            sRGB in [0, 255], on any device.

        Returns
        -------
        Tensor of int64, shape (n, h, w)
            Class numbers in [0, K), on any device.
        """
        ...
