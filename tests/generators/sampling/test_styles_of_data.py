"""`<phase>_styles.json` as `generate` reads it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.generators.sampling.region_styles import (
    ClusterStyle,
    DataStyles,
    DrawnStyle,
    FileStyle,
    ImageStyles,
    PhotoStyle,
    Style,
    styles_path,
    write_styles,
)
from p2phd_eval.generators.sampling.renderer import open_renderer
from p2phd_eval.generators.sampling.styles import Clusters
from p2phd_eval.images.decoding import read_rgb
from p2phd_eval.images.png import write_png
from tests.generators.sampling.styled_runs import CPU, keys_of, maps, pixels, styled_run


@pytest.fixture(scope="module")
def run(scenes: Path, tiny: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return styled_run(tiny, "instance", scenes, tmp_path_factory.mktemp("run") / "instance")


@pytest.fixture
def data(scenes: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(scenes, tmp_path / "data"))


def set_styles(data: Path, images: dict[str, ImageStyles], phase: str = "test") -> None:
    write_styles(data, phase, DataStyles(features="instance", images=images))


def regions_of(data: Path, key: str) -> dict[int, int]:
    """The regions of an image, with a class that each has."""
    label, instance = maps(data, key)
    return {number: int(np.bincount(label[instance == number]).argmax()) for number in np.unique(instance).tolist()}


def made(run: Path, data: Path, out: Path, **options: object) -> dict[str, np.ndarray]:
    generate(run, data, out, device=CPU, batch_size=1, **options)
    return pixels(out)


def test_the_photos_own_styles_region_by_region_are_those_of_the_photo(run: Path, data: Path, tmp_path: Path) -> None:
    """To the bit: the encoder sees the same."""
    expected = made(run, data, tmp_path / "photo", style="photo")
    images = {
        key: ImageStyles(regions={number: PhotoStyle(image=key, region=number) for number in regions_of(data, key)})
        for key in keys_of(data)
    }
    set_styles(data, images)
    found = made(run, data, tmp_path / "set")
    assert all(np.array_equal(found[key], expected[key]) for key in expected)


def test_what_is_drawn_can_be_said(run: Path, data: Path, tmp_path: Path) -> None:
    """Under another name an image keeps its styles by `drawn_as`, or with each of them as a `DrawnStyle`."""
    first, second, third, fourth = keys_of(data)
    expected = made(run, data, tmp_path / "drawn")[first]
    drawn = {n: DrawnStyle(image=first, region=n, label=label) for n, label in regions_of(data, first).items()}
    for key in (second, third, fourth):
        for kind in ("label", "inst"):
            shutil.copy(data / f"test_{kind}/{first}.png", data / f"test_{kind}/{key}.png")
    set_styles(data, {second: ImageStyles(drawn_as=first), third: ImageStyles(regions=drawn)})
    found = made(run, data, tmp_path / "set")
    assert np.array_equal(found[second], expected)
    assert np.array_equal(found[third], expected)
    assert not np.array_equal(found[fourth], expected)


def test_a_photo_of_a_file_is_the_mean_over_a_box(run: Path, data: Path, tmp_path: Path) -> None:
    """Over the pixels of a rectangular region it is what that region's photo says."""
    key = keys_of(data)[0]
    split = np.full((32, 64), 1, np.uint16)
    split[8:20, 16:40] = 2
    write_png(data / f"test_inst/{key}.png", split)
    photo = data / f"test_img/{key}.png"
    of_file = FileStyle(file=f"test_img/{key}.png", sha256=file_sha256(photo))
    large = tmp_path / "large.png"  # each pixel as a square of 3: made smaller it is nearly the same
    write_png(large, read_rgb(photo).repeat(3, axis=0).repeat(3, axis=1))
    of_large = FileStyle(file=str(large), sha256=file_sha256(large), box=(48, 24, 72, 36))
    features = open_renderer(run, data=data, device=CPU).features
    assert features is not None
    expected = features.vector(PhotoStyle(image=key, region=2), "")
    torch.testing.assert_close(features.vector(replace(of_file, box=(16, 8, 24, 12)), ""), expected)
    distances = [
        float((features.vector(style, "") - expected).abs().max())
        for style in (of_large, of_file, replace(of_file, box=(0, 0, 1, 1)))
    ]
    assert distances[0] < min(distances[1:]) / 2


def test_a_changed_style_remakes_its_image_and_no_other(run: Path, data: Path, tmp_path: Path) -> None:
    first, second, *_ = keys_of(data)
    number, label = next(iter(regions_of(data, first).items()))
    out, results = tmp_path / "out", []
    donor = PhotoStyle(image=second, region=next(iter(regions_of(data, second))))

    def make() -> None:
        result = generate(run, data, out, device=CPU, batch_size=1)
        results.append((result.written, result.remade))

    make()
    for style in (ClusterStyle(label=label, k=0), ClusterStyle(label=label, k=1), donor):
        set_styles(data, {first: ImageStyles(regions={number: style})})
        make()
        make()
    shutil.copy(data / f"test_img/{first}.png", data / f"test_img/{second}.png")  # the photo that the style is of
    make()
    styles_path(data, "test").unlink()
    make()
    assert results == [(4, 0), *[(1, 1), (0, 0)] * 3, (1, 1), (1, 1)]


def test_a_base_of_photos_takes_styles_from_clusters(run: Path, data: Path, tmp_path: Path) -> None:
    first, *_ = keys_of(data)
    photo = made(run, data, tmp_path / "photo", style="photo")
    number, label = next(iter(regions_of(data, first).items()))
    set_styles(data, {first: ImageStyles(regions={number: ClusterStyle(label=label, k=0)})})
    shutil.move(run / "clusters.npz", tmp_path / "clusters.npz")
    try:
        with pytest.raises(InputError, match=r"clusters\.npz: expected clusters .* found no such file"):
            made(run, data, tmp_path / "mixed", style="photo")
        mixed = made(run, data, tmp_path / "mixed", style="photo", clusters=tmp_path / "clusters.npz")
    finally:
        shutil.move(tmp_path / "clusters.npz", run / "clusters.npz")
    assert [key for key in photo if not np.array_equal(photo[key], mixed[key])] == [first]


def test_styles_of_what_is_not_there(run: Path, data: Path, tmp_path: Path) -> None:
    first, second, *_ = keys_of(data)
    number, label = next(iter(regions_of(data, first).items()))
    n = len(Clusters.load(run / "clusters.npz").centres[label])
    photo = f"test_img/{first}.png"
    path = styles_path(data, "test")

    def refused(message: str, styles: dict[str, ImageStyles]) -> None:
        set_styles(data, styles)
        with pytest.raises(InputError, match=message) as caught:
            generate(run, data, tmp_path / "out", device=CPU)
        assert str(path) in caught.value.where
        assert caught.value.fix
        assert not (tmp_path / "out").exists()

    def refused_style(message: str, style: Style) -> None:
        refused(message, {first: ImageStyles(regions={number: style})})

    refused(rf"keys of label maps, such as '{first}', found 'x'", {"x": ImageStyles()})
    refused(
        rf"{first}, regions: expected numbers that {first}\.png has, such as .* found 9",
        {first: ImageStyles(regions={9: ClusterStyle(label=0, k=0)})},
    )
    refused_style(
        rf"{first}, region {number}: expected a cluster of class {label}, from 0 to {n - 1}, found cluster {n}",
        ClusterStyle(label=label, k=n),
    )
    refused_style("expected a class with clusters: .*, found class 99", ClusterStyle(label=99, k=0))
    refused_style(r"expected the key of a photo of .*, test, such as .* found 'x'", PhotoStyle(image="x", region=1))
    refused_style(rf"expected a region of '{second}', such as .* found 9\b", PhotoStyle(image=second, region=9))
    refused_style("nope_label: expected a folder of images", PhotoStyle(image=first, region=number, phase="nope"))
    refused_style("none.png: expected", FileStyle(file="none.png", sha256="0" * 64))
    refused_style("with SHA-256 000000000000, found another", FileStyle(file=photo, sha256="0" * 64))
    refused_style(
        r"expected a box inside of 64 x 32 pixels, those of .*, found \[60, 0, 5, 1\], its left, top, width and height",
        FileStyle(file=photo, sha256=file_sha256(data / photo), box=(60, 0, 5, 1)),
    )


def test_styles_for_another_kind_of_model(scenes: Path, tiny: TrainConfig, data: Path, tmp_path: Path) -> None:
    first, *_ = keys_of(data)
    plain = styled_run(tiny, "none", scenes, tmp_path / "plain")
    by_label = styled_run(tiny, "label", scenes, tmp_path / "label")
    set_styles(data, {first: ImageStyles(drawn_as="original")})  # says nothing to a model that draws nothing
    assert generate(plain, data, tmp_path / "drawn", device=CPU).written == 4
    set_styles(data, {first: ImageStyles(regions={1: ClusterStyle(label=0, k=0)})})
    with pytest.raises(InputError, match=r"a model with features, .* found one without.\nUse a run that was trained"):
        generate(plain, data, tmp_path / "out", device=CPU)
    with pytest.raises(InputError, match=r"styles\.json, features: expected 'label': .* each label, found 'instance'"):
        generate(by_label, data, tmp_path / "out", device=CPU)
    assert not (tmp_path / "out").exists()


def test_a_region_that_is_lost_where_maps_are_made_smaller_is_no_mistake(run: Path, data: Path, tmp_path: Path) -> None:
    first, *_ = keys_of(data)
    label, instance = maps(data, first)
    big = instance.repeat(8, axis=0).repeat(8, axis=1)
    big[0, 0] = 9
    write_png(data / f"test_inst/{first}.png", big)
    write_png(data / f"test_label/{first}.png", label.repeat(8, axis=0).repeat(8, axis=1))
    before = made(run, data, tmp_path / "before")
    set_styles(data, {first: ImageStyles(regions={9: ClusterStyle(label=0, k=0)})})
    assert np.array_equal(made(run, data, tmp_path / "after")[first], before[first])
