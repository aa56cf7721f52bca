"""NVIDIA's apex.amp: where it can be imported, and what to say where it cannot."""

import importlib
import importlib.util
from typing import Any

from p2phd_eval.errors import InputError

_NATIVE = {"apex-O1": "amp-fp16", "apex-O2": "fp16"}


def import_apex_amp(name: str) -> Any:
    """Import `apex.amp` for the precision `name`.

    Raises `InputError` if apex is missing, is PyPI's unrelated project of that name, or is a release of NVIDIA's
    without `amp`; the native precision that does the same is named.
    """
    try:
        return importlib.import_module("apex.amp")
    except ImportError as error:
        reason = _why_not(error)
    raise InputError(
        f"--precision {name}",
        expected="NVIDIA's apex with apex.amp",
        found=reason,
        fix=f"Use --precision {_NATIVE[name]}: the same method in PyTorch itself.",
    )


def _why_not(error: ImportError) -> str:
    if importlib.util.find_spec("apex") is None:
        return "no package called apex"
    # The release that PyPI offers under this name is a web framework; NVIDIA's has always had these.
    if not any(_has(f"apex.{part}") for part in ("normalization", "optimizers", "multi_tensor_apply")):
        return "PyPI's unrelated project called apex"
    if not _has("apex.amp"):
        return "a release of NVIDIA's apex from which amp has been removed"
    return f"an apex.amp that does not import ({error})"


def _has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False
