"""From photos to counts: by the definition, at any batch size, and kept by content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from p2phd_eval.images.sources.folder import FolderSource
from p2phd_eval.segmentation.class_map import find_class_map
from p2phd_eval.segmentation.kept_counts import SegmentedPhotos
from p2phd_eval.segmentation.label_pixels import at_size
from p2phd_eval.segmentation.segment_photos import PhotoSegmenter
from tests.segmentation.colour_scenes import CLASSES, VOID, ColourSegmenter, save, write_samples, write_scenes

N = 18  # more than are kept together


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_scenes(tmp_path_factory.mktemp("scenes"), N)
    write_samples(root, root / "small", 60, scale=2)
    return root


def counted(data: Path, folder: Path, segmenter: ColourSegmenter, batch_size: int = 4) -> SegmentedPhotos:
    photos, labels = FolderSource(data / "small"), FolderSource(data / "test_label")
    class_map = find_class_map(None, CLASSES, ignore=[VOID])
    counter = PhotoSegmenter(segmenter, class_map, batch_size=batch_size, folder=folder)
    return counter.count(photos, labels, labels.ids)


def test_counts_are_those_of_each_pixel(data: Path, tmp_path: Path) -> None:
    found = counted(data, tmp_path, ColourSegmenter())
    photos, labels = FolderSource(data / "small"), FolderSource(data / "test_label")
    confusion = np.zeros((4, 4), dtype=np.int64)
    for k in range(N):
        pixels, truth = photos.load(k).pixels, labels.load_labels(k)
        predicted = at_size(ColourSegmenter()(torch.from_numpy(pixels)[None])[0].numpy(), (48, 32))
        for true, taken in zip(truth.ravel().tolist(), predicted.ravel().tolist(), strict=True):
            if true != VOID:
                confusion[true, taken] += 1
        assert found.counts.truth[k].sum() == (truth != VOID).sum()
    assert np.array_equal(found.confusion, confusion)
    assert np.array_equal(found.counts.hits.sum(axis=0), np.diag(confusion))
    assert np.array_equal(found.counts.predicted.sum(axis=0), confusion.sum(axis=0))
    assert set(found.sizes) == {(24, 16)}


def test_nothing_is_segmented_twice_and_what_is_damaged_once_more(data: Path, tmp_path: Path) -> None:
    segmenter = ColourSegmenter()
    first = counted(data, tmp_path, segmenter)
    assert segmenter.seen == N
    assert np.array_equal(counted(data, tmp_path, segmenter, batch_size=1).counts.hits, first.counts.hits)
    assert segmenter.seen == N
    one, other = sorted(tmp_path.iterdir())
    one.write_bytes(one.read_bytes()[:-40])
    again = counted(data, tmp_path, segmenter, batch_size=7)
    assert N < segmenter.seen < 2 * N
    assert np.array_equal(again.confusion, first.confusion)
    assert other.exists()


def test_another_photo_segmenter_or_class_map_is_counted_anew(data: Path, tmp_path: Path) -> None:
    segmenter = ColourSegmenter()
    first = counted(data, tmp_path / "kept", segmenter)
    other = ColourSegmenter()
    other.identity = "0" * 64
    counted(data, tmp_path / "kept", other)
    assert other.seen == N
    image = data / "small" / "scene00_synthesized_image.png"
    before = image.read_bytes()
    save(image, np.zeros((16, 24, 3), dtype=np.uint8))
    changed = counted(data, tmp_path / "kept", segmenter)
    image.write_bytes(before)
    assert segmenter.seen == N + 16  # those that are kept with it
    assert not np.array_equal(changed.counts.hits[0], first.counts.hits[0])
    assert np.array_equal(changed.counts.hits[1:], first.counts.hits[1:])
