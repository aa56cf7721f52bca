from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.checks import (
    count_warnings,
    duplicate_warnings,
    format_warnings,
    mixture_warnings,
    oddity_warnings,
    said_once,
    size_warnings,
)
from p2phd_eval.evaluation.comparison import FeatureArm, compare_feature_sets
from p2phd_eval.evaluation.fid_of_sets import evaluate_fid
from p2phd_eval.evaluation.pairing import require_same_stamps, require_unique_ids
from p2phd_eval.features.feature_set import FeatureStamp
from tests.features.feature_sets import STAMP, feature_set, triplets


def stamp(**fields: object) -> FeatureStamp:
    return dataclasses.replace(STAMP, **fields)


@pytest.mark.parametrize(
    ("real", "fake", "words"),
    [
        ({"PNG": 5}, {"PNG": 5}, []),
        ({"JPEG": 5}, {"JPEG": 5}, []),
        ({"PNG": 5}, {"BMP": 5}, []),  # both lossless
        ({"JPEG": 5}, {"PNG": 5}, ["fake are PNG and the real images JPEG"]),
        ({"PNG": 5}, {"JPEG": 5}, ["fake are JPEG and the real images PNG"]),
        ({"PNG": 5}, {"JPEG": 2, "PNG": 3}, ["fake are of several formats (2 JPEG, 3 PNG)", "artefacts"]),
    ],
)
def test_formats(real: dict[str, int], fake: dict[str, int], words: list[str]) -> None:
    generated = ("fake", stamp(formats=fake))
    warnings = mixture_warnings(generated) + format_warnings(stamp(formats=real), generated)
    assert len(warnings) == len(words)
    for warning, word in zip(warnings, words, strict=True):
        assert word in warning


def test_swapped_sizes_are_refused_with_the_orientation_where_it_is_why() -> None:
    values = np.zeros((3, 2))
    upright, lying = feature_set(values, size=(64, 32)), feature_set(values, size=(32, 64))
    with pytest.raises(InputError, match=r"swapped\.\nGenerate the images again"):
        size_warnings(lying, ("fake", upright))
    turned = feature_set(values, size=(32, 64), oddities={"turned": 2}, odd_examples={"turned": "a.jpg"})
    with pytest.raises(InputError, match=r"\n2 of the real images carry an EXIF orientation .*exiftran -ai"):
        size_warnings(turned, ("fake", upright))
    with pytest.raises(InputError, match=r"\n2 of fake carry an EXIF orientation .*mogrify -auto-orient"):
        size_warnings(upright, ("fake", turned))


def test_several_formats_of_the_real_images_are_told_once() -> None:
    real, base, fake = triplets(20)
    real = dataclasses.replace(real, stamp=dataclasses.replace(real.stamp, formats={"BMP": 5, "PNG": 15}))
    arms = [FeatureArm(name=name, runs=(each,)) for name, each in (("a", base), ("b", fake), ("c", fake))]
    warnings = compare_feature_sets(real, arms, margin=None, replicates=0).warnings
    assert [each for each in warnings if "several formats" in each] == [
        "the real images are of several formats (5 BMP, 15 PNG)"
    ]


def test_copies_and_unequal_numbers() -> None:
    assert duplicate_warnings(("fake", stamp(n=5, duplicates=0))) == ()
    assert "fake: 2 of 5 are copies" in duplicate_warnings(("fake", stamp(n=5, duplicates=2)))[0]
    assert count_warnings(5, 5) == ()
    assert "5 real and 4 generated images" in count_warnings(5, 4)[0]


def test_images_that_are_not_what_they_seem() -> None:
    odd = stamp(n=5, oddities={"frames": 2, "dark": 5}, odd_examples={"frames": "b.webp", "dark": "a.png"})
    frames, dark = oddity_warnings(("fake", odd))
    assert frames.startswith("fake: 2 of 5, such as b.webp, hold several frames or pages, of which the first is read")
    assert dark.startswith("fake: 5 of 5, such as a.png, are all but black")
    assert oddity_warnings(("fake", stamp(n=5, oddities=None))) == ()  # a file of before


def test_one_id_of_several_images_is_told_or_refused_with_their_names() -> None:
    real, fake, _ = triplets(20)
    repeated = dataclasses.replace(fake, ids=("a", "a", *fake.ids[2:]))
    warnings = evaluate_fid(real, repeated, replicates=0, extrapolate=False).warnings
    assert any("the generated images: 1 id is of several images, such as 'a' of 2" in warning for warning in warnings)
    assert not any("several images" in each for each in evaluate_fid(real, fake, replicates=0).warnings)
    with pytest.raises(InputError, match=r"images of fake: .* found 2 images with the id 'a' \(a\.jpg, a\.png\)\."):
        require_unique_ids([("real", ["a", "b"]), ("fake", ["a", "b", "a"])], {"fake": ["a.jpg", "b.jpg", "a.png"]})


@pytest.mark.parametrize("field", ["weights_sha256", "resize", "dims", "dtype"])
def test_sets_made_differently_are_refused_with_the_difference_named(field: str) -> None:
    other = stamp(**{field: 7 if field == "dims" else "other"})
    stamps = [("real", STAMP), ("same", STAMP), ("fake", other)]
    with pytest.raises(
        InputError, match=f"features of fake: expected the .* of real, .* found {getattr(other, field)}"
    ):
        require_same_stamps(stamps)
    if field == "dims":
        with pytest.raises(InputError, match="number of features"):
            require_same_stamps(stamps, force=True)
    else:
        (warning,) = require_same_stamps(stamps, force=True)
        assert "compared by force" in warning
    assert require_same_stamps(stamps[:2]) == ()


def test_evaluations_carry_all_of_it() -> None:
    real, base, fake = triplets()
    frames = {"oddities": {"frames": 2}, "odd_examples": {"frames": "a.webp"}}
    odd = dataclasses.replace(
        fake, stamp=dataclasses.replace(fake.stamp, resize="clean", formats={"JPEG": 80}, duplicates=3, **frames)
    )
    with pytest.raises(InputError, match="resize mode"):
        evaluate_fid(real, odd, replicates=0)
    forced = evaluate_fid(real, odd, replicates=0, force=True)
    assert forced.fid == evaluate_fid(real, fake, replicates=0).fid
    for word in ("compared by force", "JPEG", "3 of 80 are copies", "2 of 80, such as a.webp, hold several frames"):
        assert any(word in warning for warning in forced.warnings)
    arms = [FeatureArm(name="base", runs=(base,)), FeatureArm(name="odd", runs=(odd,))]
    with pytest.raises(InputError, match="resize mode"):
        compare_feature_sets(real, arms, margin=None, replicates=0)
    compared = compare_feature_sets(real, arms, margin=None, replicates=0, force=True)
    for word in ("compared by force", "JPEG", "3 of 80 are copies", "2 of 80, such as a.webp, hold several frames"):
        assert any(word in warning for warning in compared.warnings)


def test_unequal_numbers_are_warned_of() -> None:
    rng = np.random.default_rng(0)
    result = evaluate_fid(feature_set(rng.normal(size=(30, 6))), feature_set(rng.normal(size=(20, 6))), replicates=0)
    assert any("30 real and 20 generated" in warning for warning in result.warnings)


def test_what_holds_for_several_sets_is_said_once() -> None:
    def check(named: tuple[str, int]) -> tuple[str, ...]:
        return (f"{named[0]} has {named[1]}",) if named[1] else ()

    assert said_once([("a", 1), ("b", 1)], check) == ("all generated sets has 1",)
    assert said_once([("a", 1), ("b", 2), ("c", 1)], check) == ("a and c has 1", "b has 2")
    assert said_once([("a", 1), ("b", 0)], check) == ("a has 1",)
    assert said_once([("a", 0)], check) == ()
    assert said_once([("a has", 1), ("has", 1)], check) == ("all generated sets has 1",)
