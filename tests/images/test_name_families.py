from __future__ import annotations

import pytest

from p2phd_eval.images.name_families import name_families
from p2phd_eval.images.result_kinds import is_kind, take_images

STEMS = ("00", "0001TP_006690", "aachen_000000_000019", "seq/b", "d41d8cd98f00b204")


def names(*forms: str, stems: tuple[str, ...] = STEMS) -> list[str]:
    return sorted(form.format(stem) for form in forms for stem in stems)


@pytest.mark.parametrize(
    ("forms", "found"),
    [
        (("{}.png", "{}_edges.png"), ["*", "*_edges"]),
        (("{}_A.png", "{}_B.png", "{}_C.png"), ["*_A", "*_B", "*_C"]),
        (("{}-warped.png", "{}.flow.png", "{} (cloth).png"), ["*_cloth", "*_flow", "*_warped"]),
        (("{}_left.png", "{}_right.png", "montage.png"), []),  # one in six is too many
        (("{}", "{}_edges"), ["*", "*_edges"]),  # keys of shards
        (("{}.png", "{}_1.png"), []),
        (("{}_leftImg8bit.png",), []),
        (("{}.png",), []),
        (("{}_rgb.png",), []),
    ],
)
def test_names_that_come_with_the_same_words(forms: tuple[str, ...], found: list[str]) -> None:
    assert list(name_families(names(*forms), is_kind).values()) == found


@pytest.mark.parametrize(
    ("forms", "found"),
    [
        (("edges_{}.png", "shaded_{}.png"), []),  # of numbers alone, as classes are called
        (("label_{}.png", "photo_{}.png"), ["label_*", "photo_*"]),
        (("edges_a{}.png", "shaded_a{}.png"), ["edges_*", "shaded_*"]),
        (("seq1_{}.png", "seq2_{}.png"), []),
        (("ulm_{}_000019_leftImg8bit.png", "bonn_{}_000019_leftImg8bit.png"), []),
        (("ulm/ulm_{}.png", "bonn/bonn_{}.png"), []),
        (("Seq05VD_f{}.png", "0016E5_{}.png", "0006R0_f{}.png"), []),
        (("day/{}.png", "night/{}.png"), []),
    ],
)
def test_words_in_front(forms: tuple[str, ...], found: list[str]) -> None:
    stems = tuple(f"{i:06}" for i in range(20))
    assert list(name_families(names(*forms, stems=stems), is_kind).values()) == found


def test_few_names_are_no_families() -> None:
    assert name_families(names("{}.png", "{}_edges.png", stems=STEMS[:4]), is_kind) == {}
    assert name_families([], is_kind) == {}


def test_the_reader_is_asked_and_told_what_takes_one() -> None:
    taken = take_images("set", names("{}.png", "{}_label.png"))
    assert len(taken.places) == 10
    (warning,) = taken.warnings
    assert warning.startswith(
        "set: images come in 2 kinds by their names (*, *_label): are they one set? If not, set::"
    )
    assert len(take_images("set", names("{}.png", "{}_label.png"), kind="label").places) == 5
    (warning,) = take_images("set", names("{}.png", "{}_edges.png")).warnings
    assert "::" not in warning
    assert take_images("set", names("{}.png", "{}_label.png"), own=True).warnings == ()
