"""From what `--segmenter` says to a segmenter."""

from pathlib import Path

import torch

from p2phd_eval.errors import InputError
from p2phd_eval.segmentation.segmenter import Segmenter
from p2phd_eval.segmentation.segmenter_plugins import load_segmenter


def find_segmenter(name: str, *, weights: Path | None, device: torch.device) -> Segmenter:
    """Return the segmenter that a name means.

    Parameters
    ----------
    name : str
        ``MODULE:CALLABLE`` of one of your own.
    weights : Path or None
        The network's weights.
    device : torch.device
        Where to compute.

    Raises
    ------
    InputError
        If nothing is called so, or its weights do not fit.
    """
    if ":" in name:
        return load_segmenter(name, device=device, weights=weights)
    raise InputError(f"--segmenter {name}", expected="MODULE:CALLABLE, such as my_module:build", found="another form")
