"""The picture of the worst edits."""

import numpy as np

from p2phd_eval.editing.edit_strip import StripRow, edit_strip


def test_a_row_shows_maps_and_the_samples_of_both_runs() -> None:
    before = np.stack([np.full((20, 30, 3), 10 * k, np.uint8) for k in range(4)])
    after = before + 1
    after[3] += 4
    maps = (np.full((20, 30, 3), 200, np.uint8), np.full((20, 30, 3), 210, np.uint8))
    picture = edit_strip([StripRow(caption="edit 1", maps=maps, samples=(before, after), runs=(1, 3))], ("fp32", "amp"))
    middle = picture[-14, 4 + 15 :: 34]
    assert [int(pixel[0]) for pixel in middle] == [10, 30, 200, 210, 11, 35, 4 * 24]
