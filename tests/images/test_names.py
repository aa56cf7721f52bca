from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.decoding import open_image
from p2phd_eval.images.names import IMAGE_ENDINGS, ids_of_sets, image_ids, list_images, pair_key
from p2phd_eval.images.png import write_png


def _names(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in list_images(root).paths]


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.mark.parametrize(
    "name",
    [
        "aachen_000000_000019_gtFine_labelIds.png",
        "aachen_000000_000019_gtFine_instanceIds.png",
        "aachen_000000_000019_gtFine_color.png",
        "aachen_000000_000019_gtFine_labelTrainIds.png",
        "aachen_000000_000019_gtCoarse_labelIds.png",
        "aachen_000000_000019_leftImg8bit.png",
        "aachen_000000_000019_leftImg8bit.JPEG",
        "aachen_000000_000019_gtFine_labelIds_synthesized_image.jpg",
        "aachen_000000_000019_synthesized_image.jpg",
        "aachen_000000_000019",
    ],
)
def test_all_files_of_a_cityscapes_frame_share_one_key(name: str) -> None:
    assert pair_key(name) == "aachen_000000_000019"
    assert pair_key(pair_key(name)) == pair_key(name)


@pytest.mark.parametrize(
    ("name", "key"), [("0001.png", "0001"), ("a.b.png", "a.b"), ("step_1.5", "step_1.5"), ("x_color.png", "x_color")]
)
def test_other_names_keep_their_stem(name: str, key: str) -> None:
    assert pair_key(name) == key


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["b/1.png", "c/0.png"], ("1", "0")),
        (["seq1/00.png", "seq2/00.png", "seq2/01.png"], ("seq1/00", "seq2/00", "seq2/01")),
        (["x/seq1/00_leftImg8bit.png", "x/seq2/00.jpg"], ("seq1/00", "seq2/00")),  # an archive's only folder
        (["00.png", "more/00.png"], ("00", "more/00")),
        (["a.jpg", "a.png"], ("a", "a")),
        (["s/a.jpg", "s/a.png", "t/b.png"], ("a", "a", "b")),  # their folders would not tell them apart
        (["/abs/x/0.png", "../y/0.png"], ("//abs/x/0", "../y/0")),
        (["stre\u0301e.png", "caf\udce9.png"], ("str\u00e9e", "caf\udce9")),
    ],
)
def test_folders_are_part_of_the_ids_where_names_would_repeat(names: list[str], ids: tuple[str, ...]) -> None:
    assert image_ids(names) == ids


def test_sets_that_belong_together_have_folders_in_all_of_their_ids_or_in_none() -> None:
    labels, photos = ["s/1.png", "t/1.png"], ["s/1.png", "t/2.png"]
    assert ids_of_sets([labels, photos]) == [("s/1", "t/1"), ("s/1", "t/2")]
    assert ids_of_sets([photos, photos]) == [("1", "2"), ("1", "2")]


def test_images_are_found_below_the_folder_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b/1.PNG", "b/0.jpeg", "a.tiff", "b.webp", "c/d/2.Jpg", "._a.png", ".hidden/3.png", "notes.txt"):
        _touch(tmp_path / name)
    found = _names(tmp_path)
    assert found == ["a.tiff", "b.webp", "b/0.jpeg", "b/1.PNG", "c/d/2.Jpg"]
    assert list_images(tmp_path).ids == ("a", "b", "0", "1", "2")
    assert len(list_images(tmp_path)) == len(found)


@pytest.mark.parametrize("ending", IMAGE_ENDINGS)
def test_each_ending_counts_in_any_case(tmp_path: Path, ending: str) -> None:
    _touch(tmp_path / f"low{ending}")
    _touch(tmp_path / f"up{ending.upper()}")
    assert len(list_images(tmp_path)) == 2


def test_links_are_followed_and_each_folder_is_read_once(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    _touch(root / "z" / "own.png")
    _touch(outside / "far.png")
    _touch(outside / "deep" / "deeper.png")
    (root / "a").symlink_to(root / "z")
    (root / "loop").symlink_to(root)
    (root / "z" / "up").symlink_to(root)
    (root / "link").symlink_to(outside)
    (root / "linked.png").symlink_to(outside / "far.png")
    assert _names(root) == ["link/deep/deeper.png", "link/far.png", "linked.png", "z/own.png"]


def test_a_folder_that_is_a_link_is_read(tmp_path: Path) -> None:
    _touch(tmp_path / "real" / "0.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert _names(tmp_path / "link") == ["0.png"]


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "0.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(InputError, match=r"0\.png: .*gone\.png"):
        list_images(tmp_path)


def test_missing_file_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing there"):
        list_images(tmp_path / "missing")
    _touch(tmp_path / "file.png")
    with pytest.raises(InputError, match="found a file"):
        list_images(tmp_path / "file.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"\.png, \.jpg.*found no files"):
        list_images(tmp_path / "empty")
    _touch(tmp_path / "other" / "labels" / "a.json")
    with pytest.raises(InputError, match=r"only other files, such as labels/a\.json"):
        list_images(tmp_path / "other")


@pytest.mark.parametrize(("shape", "dtype"), [((5, 7, 3), np.uint8), ((5, 7), np.uint8), ((5, 7), np.uint16)])
def test_png_round_trip_is_exact(tmp_path: Path, shape: tuple[int, ...], dtype: type) -> None:
    image = np.random.default_rng(3).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    # A transposed view is not contiguous.
    view = image.swapaxes(0, 1)
    write_png(tmp_path / "new" / "x.png", view)
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "new" / "x.png")), view)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3), dtype=np.float32),
        np.zeros((4, 4, 4), dtype=np.uint8),
        np.zeros((4, 4, 3), dtype=np.uint16),
        np.zeros((0, 4), dtype=np.uint8),
    ],
)
def test_other_arrays_are_refused_and_the_old_file_stays(tmp_path: Path, image: np.ndarray) -> None:
    (tmp_path / "x.png").write_bytes(b"old")
    with pytest.raises(InputError, match="uint8"):
        write_png(tmp_path / "x.png", image)
    assert (tmp_path / "x.png").read_bytes() == b"old"
