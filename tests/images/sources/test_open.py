from __future__ import annotations

from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.sources.file_list import ListSource
from p2phd_eval.images.sources.folder import FolderSource
from p2phd_eval.images.sources.manifest_lines import ManifestSource
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.images.sources.shards import ShardsSource
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.images.sources.tar_archive import TAR_ENDINGS, TarSource
from p2phd_eval.images.sources.zip_archive import ZipSource
from tests.images.sources.pack import contents, encoded, write_folder, write_tar, write_zip


def test_each_kind_is_told_by_its_path(tmp_path: Path) -> None:
    write_folder(tmp_path / "folder", contents())
    (tmp_path / "list.TXT").write_text("folder/z.png\n")
    (tmp_path / "some.jsonl").write_text('{"image": "folder/z.png", "condition": "z", "seed": 0}\n')
    write_folder(tmp_path / "samples", {"0.png": encoded(0)})
    (tmp_path / "samples/manifest.jsonl").write_text('{"image": "0.png", "condition": "z", "seed": 0}\n')
    write_zip(tmp_path / "x.zip", contents().items())
    (tmp_path / "shards").mkdir()
    write_tar(tmp_path / "shards/0.tar", [("0.png", encoded(0))])
    kinds: dict[str, type[ImageSource]] = {
        "folder": FolderSource,
        "list.TXT": ListSource,
        "some.jsonl": ManifestSource,
        "samples": ManifestSource,
        "samples/manifest.jsonl": ManifestSource,
        "x.zip": ZipSource,
        "shards": ShardsSource,
        "shards/{0..0}.tar": ShardsSource,
        "shards/0.tar": TarSource,
    }
    for name, kind in kinds.items():
        source = open_source(str(tmp_path / name))
        assert type(source) is kind
        assert source.name == str(tmp_path / name)


def test_every_ending_of_a_tar_archive_is_known(tmp_path: Path) -> None:
    modes = {
        ".tar": "w:",
        ".tar.gz": "w:gz",
        ".tgz": "w:gz",
        ".tar.bz2": "w:bz2",
        ".tbz2": "w:bz2",
        ".tar.xz": "w:xz",
        ".txz": "w:xz",
    }
    assert set(modes) == set(TAR_ENDINGS)
    for ending, mode in modes.items():
        path = write_tar(tmp_path / f"x{ending}", contents().items(), mode)
        assert open_source(path).names == tuple(sorted(contents()))


def test_a_folder_of_shards_and_more_is_a_folder_of_images(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a.png": encoded(0)})
    write_tar(tmp_path / "0.tar", [("0.png", encoded(1))])
    assert open_source(tmp_path).names == ("a.png",)
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "sub/a.png")
    assert open_source(tmp_path).names == ("sub/a.png",)


def test_a_file_whose_name_has_braces_is_that_file(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x-{0..1}.tar", [("a.png", encoded(0))])
    assert type(open_source(path)) is TarSource


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("missing.zip", r"nothing there.\nCheck the path"),
        ("photo.png", r"a file ending in \.png.\nGive the folder that holds the images"),
        ("features.npz", r"a file ending in \.npz"),
        ("plain", "a file ending in nothing"),
        ("archive.7z", r"a file ending in \.7z"),
    ],
)
def test_anything_else_is_refused_with_what_is_taken(tmp_path: Path, name: str, found: str) -> None:
    write_folder(tmp_path, {"photo.png": encoded(0), "features.npz": b"", "plain": b"", "archive.7z": b""})
    taken = r"a folder of images, a zip archive.*\.tgz.*train-\{000000\.\.000009\}\.tar.*\.txt\), or .*\.jsonl"
    with pytest.raises(InputError, match=rf"{name}: expected {taken}\), found {found}"):
        open_source(tmp_path / name)


def test_a_field_needs_shards(tmp_path: Path) -> None:
    write_folder(tmp_path / "x", contents())
    write_zip(tmp_path / "x.zip", contents().items())
    for name in ("x", "x.zip", "missing"):
        with pytest.raises(InputError, match=r"webdataset shards, to choose the field 'photo\.png'"):
            open_source(tmp_path / name, field="photo.png")


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no files"):
        open_source(tmp_path)
