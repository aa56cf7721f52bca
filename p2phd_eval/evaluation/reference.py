"""A reference: real images beside those that are compared, whose principal axes the block FID takes."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.checks import duplicate_warnings, oddity_warnings
from p2phd_eval.evaluation.pairing import NamedSet, examples, require_same_stamps
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.stats.distances.block_frechet import ReferenceAxes, reference_axes

# Share of an image's features within which another image is the same one: batches and devices differ by less.
_SAME = 1e-4


def axes_of_reference(
    reference: FeatureSet, sets: Sequence[NamedSet], *, force: bool = False
) -> tuple[ReferenceAxes, tuple[str, ...]]:
    """Check a reference against the sets that are compared, and return its axes, with warnings.

    Axes that come from the compared images themselves follow their noise, which would be taken for a difference. So no
    image may be in the reference and in a set, whatever it is called: images are told by their features.

    Parameters
    ----------
    reference : FeatureSet
        Other real images, such as the training photos.
    sets : sequence of (name, FeatureSet)
        All that are compared, the real images first.
    force : bool
        Take a reference whose features were made differently, with a warning.

    Raises
    ------
    InputError
        If the reference's features were made differently (unless forced), it shares images with a set, or holds too
        few (see `reference_axes`).
    """
    stamps = [(name, features.stamp) for name, features in (sets[0], ("the reference", reference))]
    warnings = require_same_stamps(stamps, force=force) + duplicate_warnings(stamps[1]) + oddity_warnings(stamps[1])
    axes = reference_axes(reference.values)
    shared = []
    for name, features in sets:
        rows = _rows_in(features.values, reference.values, axes.axes[:, 0])
        if rows:
            found = examples(features.ids[row] for row in rows)
            shared.append(f"{len(rows)} that are also in {name} ({found})")
    if shared:
        raise InputError(
            f"reference {reference.stamp.source}",
            expected="images that are in none of the compared sets",
            found=" and ".join(shared),
            fix="Give other real images, such as the training photos.",
        )
    return axes, warnings


def _rows_in(
    values: npt.NDArray[np.float32], reference: npt.NDArray[np.float32], axis: npt.NDArray[np.float64]
) -> list[int]:
    """Rows of a set (n, d) that the reference (m, d) has too.

    The same image lies at the same place of any `axis` [d], which leaves few pairs to compare.
    """
    direction = axis.astype(np.float32)
    places, reference_places = values @ direction, reference @ direction
    order = np.argsort(reference_places)
    reach = _SAME * np.linalg.norm(values, axis=1)
    first = np.searchsorted(reference_places[order], places - reach, side="left")
    last = np.searchsorted(reference_places[order], places + reach, side="right")
    return [
        row
        for row in np.flatnonzero(first < last).tolist()
        if np.linalg.norm(reference[order[first[row] : last[row]]] - values[row], axis=1).min() <= reach[row]
    ]
