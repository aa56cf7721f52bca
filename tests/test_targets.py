"""What can be written is let through, and what cannot is refused as the writer would refuse it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.files import atomic_write
from p2phd_eval.targets import require_file_target, require_folder_target


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file.json").touch()
    Path("to-file.json").symlink_to("file.json")
    Path("to-nothing.json").symlink_to("new/nothing.json")
    Path("loop.json").symlink_to("loop.json")


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("file.json", None),
        ("new/deep/file.json", None),
        ("to-file.json", None),
        ("to-nothing.json", None),
        ("/dev/null", None),
        ("/dev/stdout", None),
        ("folder", "a folder"),
        ("", "a folder"),
        ("file.json/a.json", "file.json, a file, on the way to it"),
        ("file.json/new/a.json", "file.json, a file, on the way to it"),
        ("loop.json", "Too many levels of symbolic links"),
        ("/proc/new.json", "/proc, where nothing can be written"),  # of root either
        ("n" * 300, "File name too long"),
    ],
)
def test_a_file_is_refused_where_the_writer_fails(place: str, found: str | None) -> None:
    try:
        require_file_target(place, "--out")
        refusal = None
    except InputError as error:
        refusal = str(error)
    assert (refusal is None) == (found is None)
    assert refusal is None or found in refusal.partition("expected a file to write")[2]
    assert not Path("new").exists()
    try:
        with atomic_write(place):
            pass
        writes = True
    except (InputError, OSError):
        writes = False
    assert writes == (found is None)


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize("place", ["folder", "new/deep", "", "file.json", "file.json/a", "/proc/new"])
def test_a_folder_is_refused_where_it_cannot_be_made(place: str) -> None:
    if place in ("folder", "new/deep", ""):
        require_folder_target(place, "OUT")
        return
    with pytest.raises(InputError, match=f"^OUT {place}: expected a folder .*, found .*\nChoose another folder."):
        require_folder_target(place, "OUT")


@pytest.mark.usefixtures("places")
def test_a_file_says_by_its_ending_what_it_is() -> None:
    require_file_target("a.png", "--picture", ending=".png")
    require_file_target("/dev/null", "--picture", ending=".png")
    for name in ("a.jpg", "png", "s3://bucket/a.jpg"):
        with pytest.raises(InputError, match=rf"^--picture: expected a file name ending in \.png, found {name}"):
            require_file_target(name, "--picture", ending=".png")


@pytest.mark.usefixtures("places")
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to all files")
def test_a_file_without_permission_is_refused() -> None:
    Path("file.json").chmod(0o400)
    with pytest.raises(InputError, match="one that is write-protected"):
        require_file_target("file.json", "--out")
    Path("folder").chmod(0o500)
    with pytest.raises(InputError, match="folder, where nothing can be written: Permission denied"):
        require_file_target("folder/a.json", "--out")
