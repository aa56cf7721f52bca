"""The package transformers, without its reports and bars while it loads."""

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from p2phd_eval.errors import InputError
from p2phd_eval.torchvision_ops import declare_missing_operators


def import_transformers(where: str, extra: str) -> Any:
    """Return the package; raise InputError at an option where it is missing, with the extra that brings it."""
    declare_missing_operators()
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise InputError(
            where,
            expected="the package transformers",
            found=str(error),
            fix=f'Install it: pip install "p2phd-eval[{extra}]", or pip install "transformers>=5".',
        ) from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers from telling of tensors that do not fit, which errors here say, and from drawing bars."""
    own: Any = importlib.import_module("transformers.utils.logging")
    verbosity, bars = own.get_verbosity(), own.is_progress_bar_enabled()
    own.set_verbosity(logging.CRITICAL)
    own.disable_progress_bar()
    try:
        yield
    finally:
        own.set_verbosity(verbosity)
        if bars:
            own.enable_progress_bar()
