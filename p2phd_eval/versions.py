"""The versions that results are stamped with."""

import platform
from typing import Any

import numpy as np
import PIL
import torch

import p2phd_eval

# A str subclass, which the safe unpickler refuses.
_TORCH = str(torch.__version__)


def versions() -> dict[str, str]:
    """Return the versions of everything that a training or its images depend on."""
    return {
        "p2phd-eval": p2phd_eval.__version__,
        "torch": _TORCH,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def stamp_versions() -> dict[str, Any]:
    """Return the versions of everything that features depend on."""
    return {"tool": p2phd_eval.__version__, "torch": _TORCH, "pillow": PIL.__version__}
