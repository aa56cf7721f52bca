"""Arguments and options that take a path or an address of a store."""

from p2phd_eval.stores.store_path import AnyPath, as_path


def path(given: str) -> AnyPath:
    """Return the place that was typed; named as help shows it. What is typed as `Path` would lose a slash of ``//``."""
    return as_path(given)
