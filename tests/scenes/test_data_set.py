from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.decoding import open_image
from p2phd_eval.scenes.data_set import CLASSES, Scene, render_scene, write_dataset


@pytest.fixture(scope="module")
def fifty() -> list[Scene]:
    return [render_scene(seed, width=128, height=64) for seed in range(50)]


def test_the_same_seed_gives_the_same_bytes_whatever_the_global_state() -> None:
    first = render_scene(3, width=96, height=48)
    np.random.default_rng(0).random(10)
    np.random.seed(1)  # noqa: NPY002 - the global state that must not matter
    second = render_scene(3, width=96, height=48)
    for name in ("label", "instance", "photo"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    assert not np.array_equal(first.photo, render_scene(4, width=96, height=48).photo)


def test_shapes_dtypes_and_ranges(fifty: list[Scene]) -> None:
    assert 10 <= len(CLASSES) <= 14
    for scene in fifty:
        assert (scene.label.dtype, scene.label.shape) == (np.uint8, (64, 128))
        assert (scene.instance.dtype, scene.instance.shape) == (np.uint16, (64, 128))
        assert (scene.photo.dtype, scene.photo.shape) == (np.uint8, (64, 128, 3))
        assert scene.label.max() < len(CLASSES)


def test_every_class_occurs(fifty: list[Scene]) -> None:
    seen = set(np.unique(np.stack([scene.label for scene in fifty])).tolist())
    assert seen == set(range(len(CLASSES)))


def test_instances_belong_to_their_class_as_in_cityscapes(fifty: list[Scene]) -> None:
    counted = 0
    for scene in fifty:
        instance = scene.instance.astype(int)
        of_class = np.where(instance >= 1000, instance // 1000, instance)
        assert np.array_equal(of_class, scene.label)
        counted += len(np.unique(instance[instance >= 1000]))
    assert counted > 100  # on average more than two cars, buses or people in a scene


def test_the_label_map_tells_much_of_the_photo(fifty: list[Scene]) -> None:
    """Each pixel's colour by its class' mean in 40 scenes explains a good part of the variance in 10 others."""
    learned, others = fifty[:40], fifty[40:]
    labels = np.concatenate([scene.label.ravel() for scene in learned])
    photos = np.concatenate([scene.photo.reshape(-1, 3) for scene in learned]).astype(float)
    means = np.stack([photos[labels == k].mean(axis=0) for k in range(len(CLASSES))])
    truth = np.concatenate([scene.photo.reshape(-1, 3) for scene in others]).astype(float)
    predicted = means[np.concatenate([scene.label.ravel() for scene in others])]
    explained = 1 - ((truth - predicted) ** 2).sum() / ((truth - truth.mean(axis=0)) ** 2).sum()
    assert 0.25 < explained < 0.95  # and far from all of it: light and paint are not in the labels


def test_light_and_colour_vary(fifty: list[Scene]) -> None:
    brightness = np.array([scene.photo.mean() for scene in fifty])
    assert brightness.std() > 8


def test_another_size_shows_the_same_scene() -> None:
    for seed in range(5):
        small, large = render_scene(seed, width=128, height=64), render_scene(seed, width=512, height=256)
        centres = large.label[2::4, 2::4]
        assert (small.label == centres).mean() > 0.93


def test_a_dataset_is_pix2pixhds_layout(scenes: Path) -> None:
    assert json.loads((scenes / "classes.json").read_text()) == {"label_nc": len(CLASSES), "classes": list(CLASSES)}
    for phase, n in (("train", 6), ("test", 4)):
        names = [
            sorted(path.name for path in (scenes / f"{phase}_{kind}").iterdir()) for kind in ("label", "inst", "img")
        ]
        assert names[0] == names[1] == names[2]
        assert len(names[0]) == n
        modes = [open_image(scenes / f"{phase}_{kind}" / names[0][0]).mode for kind in ("label", "inst", "img")]
        assert modes == ["L", "I;16", "RGB"]


def photos(root: Path) -> dict[str, bytes]:
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in sorted(root.glob("*_img/*.png"))}


def test_train_and_test_share_no_scene_and_larger_sets_begin_with_smaller_ones(scenes: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "more", n_train=8, n_test=5, width=64, height=32, seed=0)
    small, more = photos(scenes), photos(tmp_path / "more")
    assert len(set(more.values())) == 13
    assert all(more[name] == content for name, content in small.items())
    write_dataset(tmp_path / "other", n_train=2, n_test=0, width=64, height=32, seed=1)
    assert not set(photos(tmp_path / "other").values()) & set(more.values())


def test_an_interrupted_call_leaves_nothing_in_the_way(scenes: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    out, size = tmp_path / "data", {"width": 64, "height": 32, "seed": 0}
    with pytest.raises(KeyboardInterrupt):
        write_dataset(out, n_train=6, n_test=4, **size, on_progress=interrupt)
    assert not (out / "classes.json").exists()
    write_dataset(out, n_train=6, n_test=4, **size)
    assert photos(out) == photos(scenes)
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in scenes.iterdir())


def test_bad_requests(scenes: Path, tmp_path: Path) -> None:
    size = {"width": 64, "height": 32, "seed": 0}
    with pytest.raises(InputError, match="expected a new or empty folder, found a folder that holds files"):
        write_dataset(scenes, n_train=1, n_test=0, **size)
    with pytest.raises(InputError, match="--train: expected a whole number from 1 to 1000000, found 0"):
        write_dataset(tmp_path / "a", n_train=0, n_test=0, **size)
    with pytest.raises(InputError, match="--height: expected at least 32, found 16"):
        render_scene(0, width=64, height=16)
    with pytest.raises(InputError, match="--width: expected at most 8192 pixels, found 1000000000"):
        render_scene(0, width=10**9, height=32)
    with pytest.raises(InputError, match="--seed: expected at most 9223372036854775807, found 18446744073709551616"):
        render_scene(2**64, width=32, height=32)
    with pytest.raises(InputError, match="--seed: expected at least 0, found -1"):
        render_scene(-1, width=64, height=32)
