"""Arguments and options that take a path or an address of a store, and those that take a path alone."""

from pathlib import Path
from typing import Any

from p2phd_eval.errors import InputError
from p2phd_eval.stores.find_store import address_of
from p2phd_eval.stores.object_store import redacted
from p2phd_eval.stores.store_path import AnyPath, as_path


def path(given: str) -> AnyPath:
    """Return the place that was typed; named as help shows it. What is typed as `Path` would lose a slash of ``//``."""
    return as_path(given)


def require_on_disk(given: Any, option: str) -> None:
    """Raise `InputError` if what was typed where a path belongs, one or several, is an address.

    `option`: what it was given to; empty for an argument.
    """
    for each in given if isinstance(given, list | tuple) else (given,):
        if isinstance(each, Path) and (address := address_of(str(each))) is not None:
            raise InputError(
                f"{option} {redacted(address)}".lstrip(),
                expected="a path: training data, runs, checkpoints, weights and studies lie on disks",
                found=f"an address of {address.partition('://')[0]}://",
                fix=f"Copy it to a disk first{_COPY.get(address[:2], '')}, or write to a disk and copy that. Addresses "
                "are taken for images, features, reports and what is written of them: see docs/object-stores.md.",
            )


_COPY = {"s3": " (aws s3 cp --recursive)", "gs": " (gcloud storage cp --recursive)", "hf": " (hf download)"}
