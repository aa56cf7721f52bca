"""From what `--segmenter` says to a segmenter."""

from pathlib import Path

import torch

from p2phd_eval.errors import InputError
from p2phd_eval.segmentation.segmenter import Segmenter
from p2phd_eval.segmentation.segmenter_plugins import load_segmenter
from p2phd_eval.segmentation.torchvision_segmenters import TORCHVISION_SEGMENTERS, torchvision_segmenter
from p2phd_eval.segmentation.trained_file import read_trained
from p2phd_eval.segmentation.transformers_segmenter import TransformersSegmenter


def find_segmenter(name: str, *, weights: Path | None, device: torch.device) -> Segmenter:
    """Return the segmenter that a name means.

    Parameters
    ----------
    name : str
        A file that `train_segmenter` wrote; a folder of a network of transformers'; the name of one of torchvision's;
        or ``MODULE:CALLABLE``.
    weights : Path or None
        The weights of a network of torchvision's, or of your own. A file or folder is its own weights.
    device : torch.device
        Where to compute.

    Raises
    ------
    InputError
        If nothing is called so, or its weights do not fit.
    """
    if name in TORCHVISION_SEGMENTERS:
        return torchvision_segmenter(name, weights, device)
    place = Path(name)
    if place.exists():
        if weights is not None:
            raise InputError("--segmenter-weights", expected=f"none, since {name} has its own", found=str(weights))
        return TransformersSegmenter(place, device) if place.is_dir() else read_trained(place, device)
    if ":" in name:
        return load_segmenter(name, device=device, weights=weights)
    raise InputError(
        f"--segmenter {name}",
        expected="a file that `p2phd-eval segment train` wrote, a folder of a network of transformers', "
        f"MODULE:CALLABLE, or one of {', '.join(TORCHVISION_SEGMENTERS)}",
        found="none of them",
        fix="See docs/segmenters.md.",
    )
