from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from p2phd_eval.config import DataConfig, FeatureConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.data.batch import Batch, collate
from p2phd_eval.generators.data.dataset import TripletDataset, epoch_batches, load_batches
from p2phd_eval.generators.data.decoded_cache import DecodedCache, require_cache_folder
from p2phd_eval.generators.data.triplets import find_triplets, stored_label_nc
from p2phd_eval.generators.data.validation import phases, validate_phase
from p2phd_eval.generators.networks.conditioning import instance_edges
from p2phd_eval.generators.networks.encoder import instance_average_pool
from p2phd_eval.scenes.data_set import CLASSES

CPU = torch.device("cpu")
CONFIG = DataConfig(label_nc=len(CLASSES), load_size=64)


@pytest.fixture
def data(scenes: Path, tmp_path: Path) -> Path:
    """A copy of the scenes that a test may damage."""
    return Path(shutil.copytree(scenes, tmp_path / "data"))


def read(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


def dataset(root: Path, config: DataConfig = CONFIG, seed: int | None = None) -> TripletDataset:
    return TripletDataset(root, "train", config, size_multiple=8, photos=True, augment_seed=seed)


def first(root: Path, kind: str) -> Path:
    return sorted((root / f"train_{kind}").iterdir())[0]


def test_a_sample_is_the_files_content(scenes: Path) -> None:
    sample = dataset(scenes)[(1, 0)]
    label = np.asarray(read(first(scenes, "label")))
    instance = np.asarray(read(first(scenes, "inst")))
    photo = np.asarray(read(first(scenes, "img")))
    assert instance.max() > 255  # really 16 bits
    assert np.array_equal(sample.label[0, 0].numpy(), label)
    assert sample.instance is not None
    assert np.array_equal(sample.instance[0, 0].numpy(), instance)
    assert sample.photo is not None
    assert np.array_equal(sample.photo[0].permute(1, 2, 0).numpy(), photo)
    on_device = sample.to(CPU)
    assert on_device.photo is not None
    values = on_device.photo[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(values, photo.astype(np.float64) / 255 * 2 - 1, atol=1e-6)
    assert torch.equal(on_device.label, sample.label)


def test_files_are_matched_by_name_with_cityscapes_endings(scenes: Path, tmp_path: Path) -> None:
    endings = {"label": "_gtFine_labelIds", "inst": "_gtFine_instanceIds", "img": "_leftImg8bit"}
    for kind, ending in endings.items():
        folder = tmp_path / f"train_{kind}"
        folder.mkdir()
        for i, path in enumerate(sorted((scenes / f"train_{kind}").iterdir())):
            # Under "sort order" the photos would be matched in reverse here.
            shutil.copy(path, folder / f"city_{i:06d}_000019{ending}.png")
    triplets = find_triplets(tmp_path, "train", CONFIG, photos=True)
    assert [t.key for t in triplets] == [f"city_{i:06d}_000019" for i in range(6)]
    assert all(t.photo is not None and t.photo.name == f"{t.key}_leftImg8bit.png" for t in triplets)


def test_photos_to_photos(scenes: Path, tmp_path: Path) -> None:
    for name in ("train_A", "train_B"):
        shutil.copytree(scenes / "train_img", tmp_path / name)
    sample = dataset(tmp_path, DataConfig(label_nc=0, instances=False, load_size=64))[(1, 0)]
    assert sample.photo is not None
    assert torch.equal(sample.label, sample.photo)
    assert sample.instance is None


@pytest.mark.parametrize(
    ("resize", "load", "crop", "size"),
    [
        ("none", 1024, 512, (64, 32)),
        ("scale_width", 48, 512, (48, 24)),
        ("scale_width", 40, 512, (40, 16)),  # a height of 20 is no multiple of 8; ties go to the even multiple
        ("resize_and_crop", 48, 24, (24, 24)),
        ("scale_width_and_crop", 48, 16, (16, 16)),
        ("crop", 1024, 32, (32, 32)),
    ],
)
def test_transforms_give_sizes_that_the_network_takes(
    scenes: Path, resize: str, load: int, crop: int, size: tuple[int, int]
) -> None:
    sample = dataset(scenes, replace(CONFIG, resize=resize, load_size=load, crop_size=crop), seed=0)[(1, 0)]
    assert sample.photo is not None
    assert sample.instance is not None
    for tensor in (sample.label, sample.instance, sample.photo):
        assert (tensor.shape[-1], tensor.shape[-2]) == size


def test_labels_are_never_mixed_and_all_maps_move_together(scenes: Path) -> None:
    """With the photo made from the label map, label and photo must agree pixel by pixel after crop and flip."""
    config = replace(CONFIG, resize="crop", crop_size=16)
    flips = set()
    for epoch in range(12):
        sample = dataset(scenes, config, seed=3)[(epoch, 0)]
        assert sample.instance is not None
        stuff = sample.instance < 1000
        assert torch.equal(sample.instance[stuff], sample.label[stuff])
        assert torch.equal(sample.instance[~stuff] // 1000, sample.label[~stuff])
        flips.add(sample.label.numpy().tobytes())
    assert len(flips) > 6  # the crops do vary with the epoch


def test_a_sample_depends_on_seed_epoch_and_index_alone(scenes: Path) -> None:
    config = replace(CONFIG, resize="crop", crop_size=16)
    a, b = dataset(scenes, config, seed=1), dataset(scenes, config, seed=1)
    b[(4, 2)]
    assert torch.equal(a[(3, 1)].label, b[(3, 1)].label)
    assert not all(torch.equal(a[(3, i)].label, dataset(scenes, config, seed=2)[(3, i)].label) for i in range(6))


def test_each_sample_is_seen_once_an_epoch() -> None:
    batches = epoch_batches(11, 3, seed=0, epoch=5)
    seen = [index for batch in batches for _, index in batch]
    assert [len(batch) for batch in batches] == [3, 3, 3]
    assert len(set(seen)) == 9
    assert batches == epoch_batches(11, 3, seed=0, epoch=5)
    assert batches != epoch_batches(11, 3, seed=0, epoch=6)


def test_batches_are_the_stacked_samples(scenes: Path) -> None:
    samples = dataset(scenes)
    (batch,) = load_batches(samples, [[(1, 4), (1, 2)]], CPU)
    assert torch.equal(batch.label, torch.cat([samples[(1, 4)].label, samples[(1, 2)].label]))
    assert [t.key for t in batch.triplets] == [samples.triplets[4].key, samples.triplets[2].key]


@pytest.mark.parametrize("workers", [0, 2])
def test_no_sample_depends_on_the_workers_or_the_cache(scenes: Path, tmp_path: Path, workers: int) -> None:
    config = replace(CONFIG, resize="scale_width_and_crop", load_size=48, crop_size=16)

    def batches(cache: Path | None, workers: int) -> list[Batch]:
        samples = TripletDataset(scenes, "train", config, size_multiple=8, photos=True, augment_seed=5, cache=cache)
        return list(load_batches(samples, epoch_batches(6, 2, seed=0, epoch=1) * 2, CPU, workers))

    expected = batches(None, 0)
    for _ in range(2):  # the first fills the cache, the second reads it
        for a, b in zip(expected, batches(tmp_path / "cache", workers), strict=True):
            assert a.photo is not None
            assert b.photo is not None
            assert torch.equal(a.label, b.label)
            assert torch.equal(a.photo, b.photo)
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 3 * 6


def test_the_cache_notices_a_changed_image(data: Path, tmp_path: Path) -> None:
    def photo() -> torch.Tensor:
        samples = TripletDataset(
            data, "train", CONFIG, size_multiple=8, photos=True, augment_seed=None, cache=tmp_path / "cache"
        )
        found = samples[(1, 0)].photo
        assert found is not None
        return found

    before = photo()
    path = first(data, "img")
    Image.fromarray(255 - np.asarray(read(path))).save(path)
    assert torch.equal(photo(), 255 - before)


def test_a_photo_of_the_same_size_and_time_is_not_taken_from_the_cache(scenes: Path, tmp_path: Path) -> None:
    """BMP files of one shape have one size; archives and copies restore times."""
    data = Path(shutil.copytree(scenes, tmp_path / "data"))
    first(data, "img").unlink()
    photo = (data / "train_img" / first(data, "label").name).with_suffix(".bmp")
    seen = []
    for value in (0, 255):
        Image.new("RGB", (64, 32), (value, value, value)).save(photo)
        os.utime(photo, (315532800, 315532800))
        samples = TripletDataset(
            data, "train", CONFIG, size_multiple=8, photos=True, augment_seed=None, cache=tmp_path / "cache"
        )
        seen.append(int(samples[(1, 0)].photo.max()))
    assert seen == [0, 255]


def test_a_damaged_cache_entry_is_made_anew(tmp_path: Path) -> None:
    cache = DecodedCache(tmp_path)
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)

    def load(treatment: str, wanted: np.ndarray) -> bool:
        return np.array_equal(cache.load("0" * 64, treatment, (3, 2), lambda: wanted), wanted)

    assert load("a", pixels)
    (entry,) = tmp_path.rglob("*.npy")
    for damaged in (entry.read_bytes()[:100], b"", b"PK\x03\x04", None):
        if damaged is None:
            np.save(entry, np.zeros((9, 9)))  # whole, but another array
        else:
            entry.write_bytes(damaged)
        assert load("a", pixels)
    assert load("b", pixels + 1)  # another treatment, another entry


def test_a_cache_lies_among_no_images(data: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(data / "test_label")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "0.JPG").touch()
    for wrong in (
        *(data, data / "train_img", data / "test_img" / "new", data / "val_feat", tmp_path / "link"),
        *(tmp_path / "photos", tmp_path / "photos" / "0.JPG"),
    ):
        with pytest.raises(InputError, match=rf"--decoded-cache: expected a folder of its own, found {wrong}, "):
            require_cache_folder(wrong, data)
    used = tmp_path / "cache"
    DecodedCache(used).load("0" * 64, "a", (1, 1), lambda: np.zeros((1, 1), np.uint8))
    for right in (used, data / "cache", tmp_path / "new"):
        require_cache_folder(right, data)


def test_instances_are_numbered_for_the_encoder(scenes: Path) -> None:
    features = FeatureConfig(kind="instance", n_downsample=2)
    plain = dataset(scenes)[(1, 0)]
    numbered = TripletDataset(
        scenes, "train", CONFIG, size_multiple=8, photos=True, augment_seed=None, features=features
    )[(1, 0)]
    assert plain.instance is not None
    assert numbered.instance is not None
    assert numbered.n_instances == int(numbered.instance.max()) + 1 == len(plain.instance.unique())
    (numbers,) = numbered.instance_numbers
    assert np.array_equal(numbers[numbered.instance.numpy()], plain.instance.numpy())
    assert torch.equal(instance_edges(plain.instance), instance_edges(numbered.instance))
    x = torch.rand(1, 2, 32, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        instance_average_pool(x, plain.instance), instance_average_pool(x, numbered.instance, numbered.n_instances)
    )


def test_parts_of_a_batch_are_its_samples_in_order(scenes: Path) -> None:
    samples = dataset(scenes)
    batch = collate([samples[(1, i)] for i in range(4)])
    parts = batch.split(2)
    assert [t for part in parts for t in part.triplets] == list(batch.triplets)
    assert torch.equal(torch.cat([part.label for part in parts]), batch.label)


def damage_label_40(root: Path) -> None:
    path = first(root, "label")
    label = np.array(read(path))
    label[5, 7] = 40
    Image.fromarray(label).save(path)


def damage_truncate(root: Path) -> None:
    path = first(root, "img")
    path.write_bytes(path.read_bytes()[:300])


def damage_text(root: Path) -> None:
    first(root, "img").write_text("not a picture")


def damage_size(root: Path) -> None:
    path = first(root, "img")
    read(path).resize((64, 40)).save(path)


def damage_colour_label(root: Path) -> None:
    path = first(root, "label")
    label = read(path)
    Image.merge("RGB", [label, label, Image.new("L", label.size, 1)]).save(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_label_40, r"scene_\d+\.png: expected labels 0 to 11 .12 classes., found label 40 at x=7, y=5"),
        (damage_truncate, "train_img.*expected a readable image, found"),
        (damage_text, "train_img.*expected a readable image, found"),
        (damage_size, r"train_img.*expected 64 x 32 pixels as scene_\d+\.png has, found 64 x 40"),
        (damage_colour_label, "expected class numbers in one channel, found an image of mode RGB"),
    ],
)
def test_bad_files_are_named_by_training_and_by_validation(
    data: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(data)
    samples = dataset(data)
    with pytest.raises(InputError, match=message):
        for i in range(len(samples)):
            samples[(1, i)]
    report = validate_phase(data, "train", CONFIG)
    assert report.n == 5
    assert len(report.problems) == 1
    with pytest.raises(InputError, match=message):
        raise InputError(report.problems[0], expected="", found="")


def test_a_label_that_wraps_in_8_bits_is_still_out_of_range(data: Path) -> None:
    path = first(data, "label")
    label = np.asarray(read(path)).astype(np.uint16)
    label[0, 0] = 256 + 3
    Image.fromarray(label).save(path)
    with pytest.raises(InputError, match="found label 259"):
        dataset(data)[(1, 0)]


def test_sixteen_bit_labels_are_read(data: Path) -> None:
    path = first(data, "label")
    expected = dataset(data)[(1, 0)].label
    Image.fromarray(np.asarray(read(path)).astype(np.uint16)).save(path)
    assert read(path).mode == "I;16"
    assert torch.equal(dataset(data)[(1, 0)].label, expected)


def test_orphans_are_named(data: Path) -> None:
    gone = first(data, "img")
    gone.unlink()
    with pytest.raises(InputError, match=rf"1 only in train_label: {gone.stem}\."):
        dataset(data)
    report = validate_phase(data, "train", CONFIG)
    assert report.problems == (f"{data / 'train_label'}: '{gone.stem}' has no partner in train_img",)


def test_two_files_of_one_name(data: Path) -> None:
    path = first(data, "img")
    read(path).save(path.with_suffix(".jpg"))
    with pytest.raises(InputError, match=rf"expected one file a name, found {path.stem}\.jpg and {path.stem}\.png"):
        dataset(data)


def test_names_that_repeat_in_several_folders_are_matched_by_their_paths(data: Path) -> None:
    for path in (path for kind in ("label", "inst", "img") for path in (data / f"train_{kind}").iterdir()):
        sequence = path.parent / f"seq{int(path.stem[-1]) % 2}"
        sequence.mkdir(exist_ok=True)
        path.rename(sequence / f"{int(path.stem[-1]) // 2}_leftImg8bit.png")
    report = validate_phase(data, "train", CONFIG)
    assert (report.n, report.problems) == (6, ())
    triplets = find_triplets(data, "train", CONFIG, photos=True)
    assert [t.key for t in triplets] == [f"seq{k}/{i}" for k in range(2) for i in range(3)]
    assert [t.name for t in triplets] == [f"{t.key}_leftImg8bit" for t in triplets]
    assert all(t.photo is not None and t.photo.parent.name == t.label.parent.name for t in triplets)
    first(data, "img").joinpath("0_leftImg8bit.png").unlink()
    with pytest.raises(InputError, match=r"1 only in train_label: seq0/0\."):
        dataset(data)


def test_images_of_other_formats_beside_a_data_set_are_told(data: Path) -> None:
    (data / "train_img" / "x.heic").touch()
    (warning,) = validate_phase(data, "train", CONFIG).warnings
    assert "train_img: 1 image of formats that are not read is left out (x.heic)" in warning


def test_names_are_matched_however_unicode_writes_their_letters(data: Path) -> None:
    label, photo = first(data, "label"), first(data, "img")
    label.rename(label.with_name("stre\u0301e.png"))
    first(data, "inst").rename(data / "train_inst" / "str\u00e9e.png")
    photo.rename(photo.with_name("str\u00e9e.png"))
    assert find_triplets(data, "train", CONFIG, photos=True)[-1].key == "str\u00e9e"
    shutil.copy(data / "train_img" / "str\u00e9e.png", data / "train_img" / "stre\u0301e.png")
    with pytest.raises(InputError, match="differ in their Unicode form alone"):
        dataset(data)


def test_missing_and_empty_folders(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="val_label: expected a folder of images, found nothing there"):
        find_triplets(data, "val", CONFIG, photos=True)
    (tmp_path / "empty" / "train_label").mkdir(parents=True)
    with pytest.raises(InputError, match="expected at least one image"):
        find_triplets(tmp_path / "empty", "train", CONFIG, photos=True)
    with pytest.raises(InputError, match="expected folders such as train_label, found an empty folder"):
        (tmp_path / "nothing").mkdir()
        phases(tmp_path / "nothing", CONFIG)


def test_an_image_no_larger_than_the_crop_is_taken_whole(scenes: Path) -> None:
    """As by the original: `__crop` of its `base_dataset.py` returns the image unless a side is larger than the crop."""
    whole = dataset(scenes, replace(CONFIG, resize="crop", crop_size=64, flip=False), seed=0)[(1, 0)]
    assert whole.label.shape[-2:] == (32, 64)
    assert torch.equal(whole.label, dataset(scenes, replace(CONFIG, resize="none"), seed=None)[(1, 0)].label)


def test_an_image_that_is_smaller_than_the_crop_in_one_direction_says_which_would_do(scenes: Path) -> None:
    with pytest.raises(InputError, match=r"at least 48 x 48 pixels to crop from, .*, found 64 x 32") as caught:
        dataset(scenes, replace(CONFIG, resize="crop", crop_size=48), seed=0)[(1, 0)]
    assert caught.value.fix == "Use --crop-size 32."


def test_sizes_that_do_not_stack(data: Path) -> None:
    for kind in ("label", "inst", "img"):
        path = first(data, kind)
        image = read(path)
        image.resize((64, 48), Image.Resampling.NEAREST).save(path)
    samples = dataset(data)
    with pytest.raises(InputError, match="expected 64 x 48 pixels in one batch"):
        collate([samples[(1, 0)], samples[(1, 1)]])


def test_validation_counts_what_is_there(scenes: Path) -> None:
    assert phases(scenes, CONFIG) == ["test", "train"]
    report = validate_phase(scenes, "train", CONFIG)
    assert (report.n, report.sizes, report.problems) == (6, {"64x32": 6}, ())
    assert sum(report.class_shares.values()) == pytest.approx(1)
    assert stored_label_nc(scenes) == len(CLASSES)
