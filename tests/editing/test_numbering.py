"""Which numbers new objects get, learned from maps."""

from __future__ import annotations

import numpy as np
import pytest

from p2phd_eval.editing.numbering import Numbering, numbers_in
from p2phd_eval.errors import InputError


def learned(*maps: tuple[list[int], list[int]]) -> Numbering:
    return Numbering.of((np.array([label]), np.array([instance])) for label, instance in maps)


def test_cityscapes_counts_its_things_and_gives_the_rest_the_number_of_the_class() -> None:
    # 26 is a group of cars, which cannot be told apart.
    numbering = learned(([7, 26, 26, 26], [7, 26, 26000, 26001]), ([7, 24, 7, 7], [7, 24000, 7, 7]))
    assert numbering.counted == {24, 26}
    assert dict(numbering.shared) == {7: 7}
    assert numbering.new_number(26, {7, 26, 26000, 26002}) == 26001
    assert numbering.new_number(24, {24000}) == 24001
    assert numbering.new_number(7, {7}) == 7
    assert numbering.new_number(23, {7}) == 23  # sky, which none of the maps shows


def test_where_all_that_is_no_object_has_0() -> None:
    numbering = learned(([0, 1, 2, 2], [0, 0, 5, 9]))
    assert numbering.counted == frozenset()
    assert dict(numbering.shared) == {0: 0, 1: 0}
    assert numbering.new_number(1, {0, 5, 9}) == 0
    assert numbering.new_number(2, {0, 5, 9}) == 10


def test_where_everything_has_a_number_of_its_own() -> None:
    numbering = learned(([0, 1], [17, 4]), ([0, 1], [23, 80]))
    assert dict(numbering.shared) == {}
    assert numbering.new_number(0, {23, 80}) == 81


def test_what_several_images_agree_in_is_the_number_of_the_class() -> None:
    assert dict(learned(([0, 1], [100, 3]), ([0, 1], [100, 4])).shared) == {0: 100}


def test_a_class_has_a_thousand_numbers_and_no_more() -> None:
    numbering = learned(([4], [4000]))
    with pytest.raises(
        InputError, match="number: expected at most 1000 objects of class 4 in an image, found one more"
    ):
        numbering.new_number(4, set(range(4000, 5000)))


def test_numbers_of_any_size_are_found() -> None:
    assert numbers_in(np.array([[3, 1, 3]])) == {1, 3}
    assert numbers_in(np.array([[-3, 2**31 - 1]])) == {-3, 2**31 - 1}
    assert numbers_in(np.array([[0xFFFFFF, 0, 7]])) == {0xFFFFFF, 0, 7}
