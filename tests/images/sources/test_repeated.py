from __future__ import annotations

from pathlib import Path

import numpy as np

from p2phd_eval.images.sources.chosen import ChosenSource
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.images.sources.repeated import photos_for, serving
from tests.images.sources.pack import encoded, write_folder


def test_a_photo_serves_for_each_sample_of_its_condition(tmp_path: Path) -> None:
    photos = open_source(write_folder(tmp_path / "photos", {f"{name}.png": encoded(k) for k, name in enumerate("abc")}))
    samples = open_source(
        write_folder(tmp_path / "samples", {name: encoded(9) for name in ("a@0.png", "a@1.png", "c@1.png", "d@0.png")})
    )
    found = photos_for(photos, [samples])
    assert (found.ids, found.names) == (("a@0", "a@1", "c@1"), ("a.png", "a.png", "c.png"))
    for index, place in enumerate((0, 0, 2)):
        assert np.array_equal(found.load(index).pixels, photos.load(place).pixels)
        assert np.array_equal(found.load_stored(index), photos.load_stored(place))
        assert np.array_equal(found.load_labels(index), photos.load_labels(place))
        assert found.content_sha256(index) == photos.content_sha256(place)
        assert found.describe(index) == photos.describe(place)
    assert found.changed() is None
    (tmp_path / "photos/b.png").unlink()
    assert found.changed() == "1 file (b.png) removed"


def test_sets_of_the_same_ids_are_left_as_they_are(tmp_path: Path) -> None:
    photos = open_source(write_folder(tmp_path, {f"{name}.png": encoded(k) for k, name in enumerate("abc")}))
    assert photos_for(photos, [photos]) is photos
    assert serving(photos, ["x@0", "b"]) is photos
    assert isinstance(serving(photos, ["a@0", "b"]), ChosenSource)
