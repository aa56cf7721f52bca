from __future__ import annotations

from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.replacing import require_own_picture, require_replaceable
from tests.commands.command_line import error_of, invoke, noise_folder


@pytest.mark.parametrize("name", ["0.png", "0.JPG", "latest.pt", "real.npz", "train.tar.gz"])
def test_a_result_takes_the_place_of_no_image_or_weights(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    require_replaceable(path, "--json")  # nothing there
    path.write_bytes(b"kept")
    (tmp_path / "link.json").symlink_to(path)
    for given in (path, tmp_path / "link.json"):
        with pytest.raises(InputError, match=r"--json: .* holds data by its ending"):
            require_replaceable(given, "--json")


@pytest.mark.parametrize("name", ["earlier.json", "page.html", "noted.txt", "none"])
def test_a_result_takes_the_place_of_another(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    require_replaceable(tmp_path / name, "--json")
    require_replaceable("/dev/null", "--json")


def test_a_picture_takes_the_place_of_no_image_that_it_is_made_of(tmp_path: Path) -> None:
    photos = noise_folder(tmp_path / "photos", 2)
    earlier = tmp_path / "earlier.png"
    earlier.write_bytes(b"")
    require_own_picture(earlier, [photos, None, object()], "--picture")
    require_own_picture(photos / "new.png", [photos], "--picture")
    photo = min(photos.glob("*.png"))
    with pytest.raises(InputError, match="of the images in"):
        require_own_picture(photo, [str(photos)], "--picture")
    (tmp_path / "real.zip").write_bytes(b"")
    with pytest.raises(InputError, match=r"a file name ending in \.png"):
        require_own_picture(tmp_path / "real.zip", [], "--picture")


def test_no_command_that_writes_a_file_replaces_a_photo(tmp_path: Path) -> None:
    first, second = (noise_folder(tmp_path / name, 3, seed=k) for k, name in enumerate(("first", "second")))
    photo = min(first.glob("*.png"))
    before = photo.read_bytes()
    for command in (
        ("plan", "--image-sd", 60, "--margin", 2, "--json", photo),
        ("blind-test", first, second, "--out", photo),
        ("encode", "cluster", tmp_path, tmp_path, "--out", photo),
        ("features", second, "--out", photo),
        ("gate", tmp_path / "report.json", "--max-dfid", 1, "--junit", photo),
        ("gate", tmp_path / "report.json", "--max-dfid", 1, "--summary", photo),
        ("compare", second, first, second, "--picture", photo),
    ):
        assert f"found {photo}" in error_of(invoke(*command)), command
    assert photo.read_bytes() == before
