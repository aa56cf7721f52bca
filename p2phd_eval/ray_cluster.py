"""A Ray cluster that is there already: connecting to it, what it has, and what is said where it is not there."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from p2phd_eval.errors import InputError

ADDRESS_VARIABLE = "RAY_ADDRESS"


@contextmanager
def ray_cluster(address: str | None) -> Iterator[Any]:
    """Connect to a cluster and give the module `ray`; a connection that this process has already is taken, and kept.

    `address`: of its head, HOST:PORT; by default that in `RAY_ADDRESS`, else a cluster on this machine. Raises
    `InputError` if Ray is not installed, or nobody answers.
    """
    ray = import_ray()
    own = not ray.is_initialized()
    if own:
        wanted = address or os.environ.get(ADDRESS_VARIABLE) or "auto"
        try:
            ray.init(address=wanted, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            raise InputError(
                "--executor ray",
                expected="a Ray cluster" + (" on this machine" if wanted == "auto" else f" at {wanted}"),
                found="none",
                fix="Start one (ray start --head), run this on one of its machines, or name its head: "
                f"--executor-option address=HOST:6379, or {ADDRESS_VARIABLE}.",
            ) from error
    try:
        yield ray
    finally:
        if own:
            ray.shutdown()


def import_ray() -> Any:
    """Return the module `ray`; raise InputError, with how to install it, where it is missing."""
    # Read when it is imported: nothing here tells anybody what is computed.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError(
            "--executor ray",
            expected="ray, which knows the cluster",
            found="no such package",
            fix='Install it: pip install "p2phd-eval[ray]".',
        ) from error
    return ray
