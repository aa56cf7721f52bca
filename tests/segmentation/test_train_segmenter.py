from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.images.decoding import read_rgb
from p2phd_eval.progress import OnProgress
from p2phd_eval.scenes.data_set import CLASSES, write_dataset
from p2phd_eval.segmentation.find_segmenter import find_segmenter
from p2phd_eval.segmentation.train_segmenter import TrainedSegmenter, train_segmenter

CPU = torch.device("cpu")
_STEPS = 40


@pytest.fixture(scope="module", autouse=True)
def saved_often() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("p2phd_eval.segmentation.train_segmenter._SAVE_EVERY", 7)
        yield


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("scenes")
    write_dataset(data, n_train=20, n_test=1, width=48, height=32)
    return data


@pytest.fixture(scope="module")
def trained(scenes: Path) -> TrainedSegmenter:
    return train_segmenter(scenes, scenes / "segmenter.safetensors", steps=_STEPS, device=CPU)


@contextmanager
def killed_on_the_way(description: str, unit: str) -> Iterator[OnProgress]:
    def die(done: int, total: int) -> None:
        if (done, total) == (_STEPS - 2, _STEPS):
            raise SystemExit

    yield die


def test_killed_and_called_again_it_ends_with_the_same_bits(
    scenes: Path, trained: TrainedSegmenter, tmp_path: Path
) -> None:
    again = tmp_path / "again.safetensors"
    with pytest.raises(SystemExit):
        train_segmenter(scenes, again, steps=_STEPS, device=CPU, progress=killed_on_the_way)
    assert [each.name for each in tmp_path.iterdir()] == ["again.safetensors.unfinished"]
    train_segmenter(scenes, again, steps=_STEPS, device=CPU)
    assert [each.name for each in tmp_path.iterdir()] == ["again.safetensors"]
    assert again.read_bytes() == trained.path.read_bytes()


def test_it_reads_photos_that_it_has_not_seen(scenes: Path, trained: TrainedSegmenter) -> None:
    labels = np.stack([np.asarray(read_rgb(path))[..., 0] for path in sorted((scenes / "train_label").iterdir())[-2:]])
    assert (trained.header.photos, trained.header.held_out.photos) == (18, 2)
    assert trained.header.classes == CLASSES[: len(trained.header.classes)]
    largest_class = 100 * np.bincount(labels.ravel()).max() / labels.size
    assert trained.header.held_out.pixel_accuracy > largest_class + 10
    segmenter = find_segmenter(str(trained.path), weights=None, device=CPU)
    photos = torch.from_numpy(np.stack([read_rgb(path) for path in sorted((scenes / "train_img").iterdir())[-2:]]))
    assert 100 * float((segmenter(photos).numpy() == labels).mean()) == pytest.approx(
        trained.header.held_out.pixel_accuracy
    )
    # A photo of another size is seen at the size of the training, and answered at its own.
    assert segmenter(photos[:, :30, :40]).shape == (2, 30, 40)


def test_what_is_there_is_taken_if_it_is_the_same(scenes: Path, trained: TrainedSegmenter) -> None:
    before = trained.path.stat().st_mtime_ns
    assert train_segmenter(scenes, trained.path, steps=_STEPS, device=CPU).header == trained.header
    assert trained.path.stat().st_mtime_ns == before
    with pytest.raises(InputError, match="found one of other settings or classes"):
        train_segmenter(scenes, trained.path, steps=_STEPS, seed=1, device=CPU)


def test_without_a_file_it_lies_in_the_cache(scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PHD_EVAL_CACHE", str(tmp_path))
    first, second = (train_segmenter(scenes, steps=2, width=16, seed=seed, device=CPU).path for seed in (0, 1))
    assert first.parent == tmp_path / "segmenters"
    assert first != second
