from __future__ import annotations

import numpy as np

from p2phd_eval.images.pictures import difference_column, evenly_spaced, label_colours, picture_grid


def test_classes_have_colours_of_their_own() -> None:
    for label_nc in (2, 12, 35):
        colours = label_colours(np.arange(label_nc)[None], label_nc)[0]
        assert len({tuple(colour) for colour in colours.tolist()}) == label_nc


def test_tiles_stand_where_their_caption_is() -> None:
    red, blue = (np.full((10, 20, 3), colour, dtype=np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))
    grid = picture_grid([[red, blue], [blue, red]], ("a", "b"))
    assert grid.shape == (18 + 4 + 2 * 14, 4 + 2 * 24, 3)
    assert grid[22 + 5, 4 + 5].tolist() == [255, 0, 0]
    assert grid[22 + 5, 28 + 5].tolist() == [0, 0, 255]
    assert grid[36 + 5, 4 + 5].tolist() == [0, 0, 255]


def test_a_row_has_its_caption_above_its_tiles() -> None:
    red, blue = (np.full((10, 60, 3), colour, dtype=np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))
    grid = picture_grid([[red], [blue]], ("a",), ("one", "two"))
    assert grid.shape == (18 + 4 + 2 * (14 + 18), 60 + 2 * 4, 3)
    for top, colour in ((18 + 4, [255, 0, 0]), (18 + 4 + 14 + 18, [0, 0, 255])):
        assert (grid[top : top + 18] < 128).all(axis=2).any()  # black letters
        assert (grid[top + 18 : top + 28, 4:64] == colour).all()


def test_any_name_can_be_a_caption() -> None:
    tile = np.zeros((30, 200, 3), dtype=np.uint8)
    shown = picture_grid([[tile]], ("caf\\udce9\\n",), ("a\\x1b",))
    assert np.array_equal(picture_grid([[tile]], ("caf\udce9\n",), ("a\x1b",)), shown)


def test_differences_do_not_wrap() -> None:
    rows = [[np.array([[[10, 200, 0]]], dtype=np.uint8), np.array([[[13, 0, 0]]], dtype=np.uint8)]]
    assert difference_column(rows, ("a", "b"), 0, 1) == ["a", "b", "|a - b| x 4"]
    assert rows[0][2].tolist() == [[[12, 255, 0]]]


def test_rows_are_spread_over_the_set() -> None:
    assert evenly_spaced(101) == [0, 20, 40, 60, 80, 100]
    assert evenly_spaced(3) == [0, 1, 2]
    assert evenly_spaced(1) == [0]
