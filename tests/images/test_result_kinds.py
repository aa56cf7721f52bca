from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.image_folder import MANIFEST
from p2phd_eval.images.result_kinds import take_images
from p2phd_eval.images.sources.open import open_source
from tests.images.sources.pack import encoded, write_folder, write_tar, write_zip

STEMS = ("aachen_0_1", "b", "c")

# How each program names the results of an input, the samples first.
LAYOUTS = {
    "pix2pixHD": ("{}_synthesized_image.jpg", "{}_input_label.jpg"),
    "SPADE": ("images/synthesized_image/{}.png", "images/input_label/{}.png"),
    "pix2pix": ("{}_fake_B.png", "{}_real_A.png", "{}_real_B.png"),
    "CUT": ("fake_B/{}.png", "real_A/{}.png", "real_B/{}.png"),
    "vid2vid": ("seq/fake_B_{}.jpg", "seq/real_A_{}.jpg"),
    "pix2pix-tensorflow": ("{}-outputs.png", "{}-inputs.png", "{}-targets.png"),
    "a folder an input": ("{}/fake.png", "{}/real.png"),
    "BicycleGAN": ("{}_random_sample01.png", "{}_input.png", "{}_ground truth.png"),
    "MUNIT": ("{}/output000.jpg", "{}/input.jpg"),
    "pix2pixHD of videos": ("{}_fake_image.png", "{}_real_image.png"),
    "folders of it": ("fake_image/{}.png", "real_image/{}.png"),
    "super-resolution": ("{}_SR.png", "{}_HR.png", "{}_input.png"),
    "segmentation": ("{}_pred.png", "{}_gt.png", "{}_input.png"),
    "brackets": ("{} (fake).png", "{} (real).png"),
    "dots": ("{}.out.png", "{}.input.png"),
}


def names(*forms: str) -> list[str]:
    return sorted(form.format(stem) for form in forms for stem in STEMS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_samples_of_results_stand_for_them(layout: str) -> None:
    every = names(*LAYOUTS[layout])
    taken = take_images("results", every)
    assert [every[place] for place in taken.places] == names(LAYOUTS[layout][0])
    assert sorted(taken.ids) == sorted(STEMS)  # so that they pair with photos and label maps
    (warning,) = taken.warnings
    assert "results holds results" in warning
    assert "3 real" in warning or "3 input" in warning
    with pytest.raises(InputError, match=r"(?s)expected real images, found results of several kinds: 3 .*results[:/]"):
        take_images("results", every, generated=False)


@pytest.mark.parametrize(
    ("forms", "found"),
    [
        (("{}_fake_A.png", "{}_fake_B.png", "{}_real_A.png"), "results::fake_A or results::fake_B or results::real_A"),
        (("{}_random_sample01.png", "{}_random_sample02.png", "{}_input.png"), "results::random_sample02"),
        (("{}_real_A.png", "{}_real_B.png"), "results::real_A or results::real_B"),
        (("x/fake_A/{}.png", "x/fake_B/{}.png"), "results/x/fake_A or results/x/fake_B"),
        (("{}_fake_B.png", "{}_real_B.png", "loss_{}.png"), "3 other images"),
        (("train_label/{}.png", "train_img/{}.png"), "such as results/train_img"),
        (("trainA/{}.png", "trainB/{}.png"), "such as results/trainB"),
    ],
)
def test_what_cannot_be_told_is_refused_with_what_to_give(forms: tuple[str, ...], found: str) -> None:
    with pytest.raises(InputError, match=found):
        take_images("results", names(*forms))


@pytest.mark.parametrize(
    "forms",
    [
        ("{}_fake_B.png",),
        ("fake/{}.png",),
        ("{}_real.png", "other{}.png"),
        ("day/{}_output.png", "night/{}_output.png"),
        ("{}_leftImg8bit.png",),
        ("{}/output001.png", "{}/output002.png"),
        ("in_{}.png", "{}_indoor.png"),
        ("cam_label/{}.png",),
        ("{}_A.png", "{}_B.png"),
    ],
)
def test_other_sets_are_taken_whole(forms: tuple[str, ...]) -> None:
    every = names(*forms)
    taken = take_images("set", every)
    assert (len(taken.places), taken.warnings) == (len(every), ())


def test_unlike_sets_with_common_words_are_no_results() -> None:
    every = ["x_input.png", "y_output.png", "z_output.png"]
    assert take_images("set", every).ids == ("x_input", "y_output", "z_output")


@pytest.mark.parametrize(
    "pack",
    [
        lambda root, files: write_folder(root / "results", files),
        lambda root, files: write_zip(root / "results.zip", files.items()),
        lambda root, files: write_tar(root / "results.tar.gz", files.items(), "w:gz"),
        lambda root, files: _list(root, files),
        lambda root, files: write_tar(root / "0.tar", files.items()).with_name("{0..0}.tar"),
    ],
    ids=["folder", "zip", "tar", "list", "shards"],
)
def test_every_source_takes_samples_or_the_kind_that_its_path_names(
    tmp_path: Path, pack: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    files = {f"{stem}_{kind}.png": encoded(i) for i, stem in enumerate("ab") for kind in ("real_A", "fake_B", "real_B")}
    path = pack(tmp_path, files)
    samples = open_source(path)
    assert samples.ids == ("a", "b")
    assert [Path(name).name for name in samples.names] == ["a_fake_B.png", "b_fake_B.png"]
    assert samples.load(1).pixels.shape == (9, 12, 3)
    assert "fake_B.png" in samples.describe(1)
    photos = open_source(f"{path}::real_B", generated=False)
    assert [Path(name).name for name in photos.names] == ["a_real_B.png", "b_real_B.png"]
    assert (photos.name, photos.warnings, photos.changed()) == (f"{path}::real_B", (), None)
    with pytest.raises(InputError, match="say rec_A, found 2 fake_B, 2 real_A, 2 real_B"):
        open_source(f"{path}::rec_A")


def _list(root: Path, files: dict[str, bytes]) -> Path:
    write_folder(root / "listed", files)
    (root / "results.txt").write_text("".join(f"listed/{name}\n" for name in files))
    return root / "results.txt"


def test_folders_of_several_generators_are_no_set(tmp_path: Path) -> None:
    for precision in ("amp-bf16", "fp32"):
        write_folder(tmp_path / "samples" / precision, {"0.png": encoded(0), "1.png": encoded(1)})
        (tmp_path / "samples" / precision / MANIFEST).write_text("{}")
    with pytest.raises(InputError, match=r"2 image folders \(amp-bf16, fp32\) with the same names"):
        open_source(tmp_path / "samples")
    (tmp_path / "samples" / "fp32" / "0.png").rename(tmp_path / "samples" / "fp32" / "2.png")
    (tmp_path / "samples" / "fp32" / "1.png").rename(tmp_path / "samples" / "fp32" / "3.png")
    assert open_source(tmp_path / "samples").ids == ("0", "1", "2", "3")  # two parts of a data set, say


def test_such_words_mean_nothing_in_what_this_program_writes_and_in_parts_of_data_sets(tmp_path: Path) -> None:
    files = {f"{i}_{kind}.png": encoded(i) for i in range(2) for kind in ("fake_B", "real_B")}
    (tmp_path / "data" / "test_img").mkdir(parents=True)
    for folder in ("samples", "data/test_label"):
        write_folder(tmp_path / folder, files)
    (tmp_path / "samples" / MANIFEST).write_text("{}")
    for folder in ("samples", "data/test_label"):
        assert open_source(tmp_path / folder).ids == ("0_fake_B", "0_real_B", "1_fake_B", "1_real_B")
