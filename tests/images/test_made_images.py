"""What is kept of a folder of images: each is known by what it was made from and by its own content."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.made_images import INDEX, Journal, finish, settle

WANTED = {name: {"label": f"label of {name}"} for name in ("a.png", "b.png", "seq/c.png", "d\udce9.png")}


def make(folder: Path, wanted: dict[str, dict[str, str]], names: list[str], process: int = 0) -> None:
    for name in names:
        content = f"image from {wanted[name]}".encode()
        Journal(folder, process).add(name, wanted[name], hashlib.sha256(content).hexdigest())
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make(tmp_path, WANTED, list(WANTED)[:2])
    make(tmp_path, WANTED, list(WANTED)[2:], process=1)
    finish(tmp_path, WANTED)
    return tmp_path


def test_what_is_as_it_was_is_kept_and_the_record_is_the_same_in_any_order(folder: Path, tmp_path: Path) -> None:
    before = (folder / INDEX).read_bytes()
    settled = settle(folder, WANTED, fix="")
    assert (settled.kept, settled.notes) == (tuple(sorted(WANTED)), ())
    other = tmp_path / "other"
    make(other, WANTED, [*reversed(WANTED)])
    finish(other, WANTED)
    assert (other / INDEX).read_bytes() == (folder / INDEX).read_bytes() == before
    assert [path.name for path in other.glob(".*")] == []


def test_what_changed_is_removed_and_said(folder: Path) -> None:
    (folder / "seq/c.png").write_bytes(b"of somebody else")
    (folder / "holiday.jpg").touch()
    wanted = {**WANTED, "a.png": {"label": "edited"}}
    del wanted["d\udce9.png"]
    settled = settle(folder, wanted, fix="")
    assert settled.notes == (
        "Made again, since what they are made from changed: 1 image, a.png.",
        "Made again, since the files in their place are not what was made here: 1 image, seq/c.png.",
        "Removed, since the label maps that they were made from are gone: 1 image, d\udce9.png.",
        "Left, though not made here, and counted in a FID of this folder: 1 image, holiday.jpg.",
    )
    assert settled.kept == ("b.png",)
    assert sorted(path.name for path in folder.rglob("*g")) == ["b.png", "holiday.jpg"]


@pytest.mark.parametrize("record", ["lost", "cut short"])
def test_an_image_without_a_whole_record_is_made_again(tmp_path: Path, record: str) -> None:
    """A process was killed while it wrote the second one's line, or its disk lost it."""
    make(tmp_path, WANTED, ["a.png", "b.png"])
    (journal,) = tmp_path.glob(".*")
    first, second = journal.read_bytes().splitlines()
    journal.write_bytes(first + b"\n" + (second[:-9] if record == "cut short" else b""))
    assert settle(tmp_path, WANTED, fix="").kept == ("a.png",)
    assert not (tmp_path / "b.png").exists()


def test_another_data_set_and_an_older_folder_are_refused_as_they_are(folder: Path) -> None:
    def state() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    before, others = state(), {name: {"label": "other"} for name in WANTED}
    for wanted in (others, {"x.png": {"label": "other"}}):
        with pytest.raises(InputError, match=r"found 4 images of which none was made from what is there now.*\nGo"):
            settle(folder, wanted, fix="Go elsewhere.")
    assert state() == before
    (folder / INDEX).unlink()
    with pytest.raises(InputError, match=r"expected images\.jsonl, .* found 4 images without it"):
        settle(folder, WANTED, fix="")


def test_what_changes_while_images_are_made_is_noticed(tmp_path: Path) -> None:
    make(tmp_path, {**WANTED, "b.png": {"label": "new"}}, ["a.png", "b.png"])
    with pytest.raises(InputError, match=r"found that 1 changed, such as that of b\.png"):
        finish(tmp_path, WANTED)
    assert settle(tmp_path, WANTED, fix="").outdated == ("b.png",)
