"""Distances inside and outside of what was edited, of photos drawn by the test."""

from __future__ import annotations

import numpy as np
import pytest

from p2phd_eval.editing.edit_distances import ComparedEdit, measure_edits, resized_mask
from p2phd_eval.quality.distance_maps import DistanceMaps


def test_what_lies_inside_and_outside_is_averaged_apart() -> None:
    before = np.full((3, 16, 24, 3), 100, np.uint8)
    after = before.copy()
    area = np.zeros((16, 24), bool)
    area[4:8, 6:12] = True
    before[1, area] += 10  # run 1 differs inside, and on the edited map by 20 inside and 3 outside
    after[1, area] += 20
    after[1, ~area] += 3
    edits = [ComparedEdit(number=k, kind="move", image=str(k), inside=float(area.mean())) for k in (1, 2)]
    areas = (area, np.ones_like(area))
    found = measure_edits(
        edits, lambda k: (before, after), areas.__getitem__, [(0, 1), (0, 2)], 3, DistanceMaps(None, "cpu")
    )
    assert found.original["MSE", "inside"][:, 0].tolist() == [100, 0]
    assert found.edited["MSE", "inside"][:, 0].tolist() == [400, 0]
    assert found.original["MSE", "outside"][:, 0].tolist() == [0, 0]
    assert found.edited["MSE", "outside"][:, 0].tolist() == [9, 0]
    assert found.changed["MSE"][:, 0].tolist() == [0, 9, 0]
    # An edit of all pixels leaves none outside.
    assert np.isnan(found.edited["MSE", "outside"][:, 1]).all()
    assert np.isnan(found.changed["MSE"][:, 1]).all()
    whole = area.mean() * 400 + (1 - area.mean()) * 9
    assert found.edited["MSE", "inside"][0, 1] == pytest.approx(whole)


def test_areas_are_brought_to_the_size_of_photos() -> None:
    area = np.zeros((4, 6), bool)
    area[1, 2:4] = True
    assert resized_mask(area, (6, 4)) is area
    assert (resized_mask(area, (12, 8)) == area.repeat(2, axis=0).repeat(2, axis=1)).all()
