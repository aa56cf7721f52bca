"""Which references are taken, and what is said of the others."""

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.reference import axes_of_reference
from p2phd_eval.stats.distances.block_frechet import reference_axes
from tests.features.feature_sets import feature_set, reordered

D = 40


def photos(seed, n=60, **stamp):
    values = np.maximum(np.random.default_rng(seed).normal(0.3, 1, size=(n, D)), 0)
    return feature_set(values, **stamp)


def compared():
    return [("the real images", photos(0)), ("fp32", photos(1)), ("amp", photos(2))]


def test_other_photos_give_their_axes_whatever_they_are_called():
    reference = photos(3)  # by the same names as the compared images
    axes, warnings = axes_of_reference(reference, compared())
    np.testing.assert_array_equal(axes.axes, reference_axes(reference.values).axes)
    assert (axes.images, warnings) == (60, ())


@pytest.mark.parametrize(("position", "name"), [(0, "the real images"), (2, "amp")])
@pytest.mark.parametrize("precision", [0, 1e-6])
def test_images_that_are_compared_too_are_named(position, name, precision):
    """The same image in another batch, or on another device, differs by rounding."""
    sets, rng = compared(), np.random.default_rng(5)
    values = photos(3).values.copy()
    values[[7, 20, 41, 42]] = sets[position][1].values[[12, 3, 30, 31]] * (1 + precision * rng.normal(size=(4, D)))
    reference = feature_set(values, ids=[f"train_{k}" for k in range(60)], source="train_img")
    with pytest.raises(InputError) as caught:
        axes_of_reference(reference, sets)
    message = str(caught.value)
    assert "reference train_img: expected images that are in none of the compared sets" in message
    assert f"found 4 that are also in {name} ('scene_003', 'scene_012', 'scene_030', ...)" in message
    assert "such as the training photos" in message


def test_the_real_images_themselves_are_no_reference():
    sets = compared()
    shuffled = reordered(sets[0][1], np.random.default_rng(0).permutation(60))
    with pytest.raises(InputError, match="60 that are also in the real images"):
        axes_of_reference(shuffled, sets)


def test_features_that_were_made_differently_are_taken_by_force_alone():
    other = photos(3, resize="clean")
    message = "features of the reference: expected the resize mode of the real images, legacy-pytorch, found clean"
    with pytest.raises(InputError, match=message):
        axes_of_reference(other, compared())
    _, warnings = axes_of_reference(other, compared(), force=True)
    assert warnings == (
        "the resize mode of the reference is clean, that of the real images legacy-pytorch: compared by force",
    )


def test_few_or_copied_images():
    with pytest.raises(InputError, match="at least 33 images, so that they span the 32 axes of a block, found 32"):
        axes_of_reference(photos(3, n=32), compared())
    _, warnings = axes_of_reference(photos(3, duplicates=5), compared())
    assert warnings == ("the reference: 5 of 60 are copies of others, bit for bit",)
