"""Which images two sets have in common, told by their features."""

import numpy as np
import numpy.typing as npt

from p2phd_eval.evaluation.pairing import NamedSet
from p2phd_eval.features.feature_set import FeatureSet


def copy_warnings(real: FeatureSet, fake: NamedSet) -> tuple[str, ...]:
    """Say how many generated images are copies of real ones.

    Copies have equal features, bit for bit, since those of an image do not depend on the images beside it; sets whose
    features were computed on different devices may differ in the last bits and hide them.
    """
    name, generated = fake
    found = equal_rows(real.values, generated.values)
    if not found or any(map(_says_nothing, (real, generated))):
        return ()
    n, count = len(generated), len(found)
    if count == n and len(equal_rows(generated.values, real.values)) == len(real):
        return (
            f"{name} are the real images{'' if n == len(real) else ', some of them more than once'}: the distance of a "
            "set from itself says nothing about a generator",
        )
    row, other = min(found.items())
    return (
        f"{name}: {count} of {n} images are copies of real ones, such as {generated.ids[row]!r} = {real.ids[other]!r}; "
        "they make every distance smaller than that of generated images",
    )


def equal_rows(values: npt.NDArray[np.float32], others: npt.NDArray[np.float32]) -> dict[int, int]:
    """Return for each row of `others` (m, d) that is a row of `values` (n, d) too, bit for bit, one such row.

    It takes time in proportion to (n + m) d, and memory for one hash a row.
    """
    if values.shape[1] != others.shape[1]:
        return {}
    row_of = {hash(row.tobytes()): place for place, row in enumerate(values)}
    found = {}
    for place, row in enumerate(others):
        content = row.tobytes()
        first = row_of.get(hash(content))
        if first is not None and values[first].tobytes() == content:
            found[place] = first
    return found


def _says_nothing(features: FeatureSet) -> bool:
    """Whether one row stands for all images although they differ, as of a network that does not look at them."""
    same = bool((features.values == features.values[0]).all())
    return same and features.stamp.duplicates < len(features) - 1
