"""Makes torchvision's Python parts importable where its compiled operators do not load."""

import importlib
import sys
import warnings

import torch

# The declarations vanish with this object, so it lives as long as the process.
_library: torch.library.Library | None = None


def declare_missing_operators() -> None:
    """Import torchvision, declaring the operators that its import needs if the compiled ones do not load.

    A torchvision wheel built for another torch (a CUDA build beside a CPU-only torch, as plain package
    installers leave them) fails on import with "operator torchvision::nms does not exist", because it
    registers a shape function for an operator that its compiled part should have defined. The networks and
    transforms used here need no compiled operator, so a declaration without an implementation is enough.

    Where the compiled part loads, nothing is declared: it would clash with torchvision's own definition.
    Calling this again does nothing. Call it before importing torchvision or anything that imports it.

    Raises `ImportError` if torchvision is not installed. Raises `RuntimeError` if torchvision fails to import for
    another reason.
    """
    global _library
    if "torchvision" in sys.modules:
        return
    try:
        _import_torchvision()
        return
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    # Python drops the package that failed but keeps its submodules, which would be taken up half-made.
    for name in [name for name in sys.modules if name.startswith("torchvision.")]:
        del sys.modules[name]
    _library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for operator in ("nms", "qnms"):
        _library.define(  # type: ignore[no-untyped-call]
            f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )
    _import_torchvision()


def _import_torchvision() -> None:
    with warnings.catch_warnings():
        # Some versions warn that their own image decoder does not load; Pillow decodes the images here.
        warnings.filterwarnings("ignore", message="Failed to load image Python extension")
        importlib.import_module("torchvision")
