"""transformers without its reports and bars while it loads."""

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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
