"""The packages of the extra `onnx`, imported where they are needed."""

from importlib import import_module
from typing import Any

from p2phd_eval.errors import InputError

_FIX = 'Install it: pip install "p2phd-eval[onnx]"'


def import_onnx(where: str) -> Any:
    """Return the package onnx, which writes and checks graphs; raise `InputError` if it is missing."""
    return _import("onnx", where, _FIX)


def import_onnxruntime(where: str) -> Any:
    """Return the package onnxruntime, which runs graphs; raise `InputError` if it is missing."""
    return _import("onnxruntime", where, f"{_FIX}; for a GPU: pip install onnx onnxruntime-gpu")


def _import(name: str, where: str, fix: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == name
        found = "that it is not installed" if missing else f"that it cannot be imported ({error})"
        raise InputError(where, expected=f"the package {name}", found=found, fix=fix) from None
