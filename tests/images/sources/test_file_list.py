from __future__ import annotations

import os
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.sources.file_list import ListSource
from tests.images.sources.pack import encoded, write_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "x", {f"{number}.png": encoded(number) for number in range(5)})


def _list(root: Path, text: str, encoding: str = "utf-8") -> Path:
    (root / "list.txt").write_bytes(text.encode(encoding))
    return root / "list.txt"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_are_paths_relative_to_the_list(root: Path, end: str, encoding: str) -> None:
    source = ListSource(_list(root, end.join(["3.png", "# no", "", "  ", "./0.png ", "../x/1.png"]), encoding))
    assert source.names == ("../x/1.png", "0.png", "3.png")
    assert source.ids == ("1", "0", "3")
    assert [source.read(k) for k in range(3)] == [encoded(1), encoded(0), encoded(3)]
    assert source.describe(2) == str(root / "3.png")


def test_the_order_of_the_lines_changes_nothing(root: Path) -> None:
    forth = ListSource(_list(root, "0.png\n1.png\n2.png"))
    assert ListSource(_list(root, "2.png\n0.png\n1.png\n")).names == forth.names


def test_absolute_paths_and_links_and_other_endings_are_taken(root: Path, tmp_path: Path) -> None:
    (root / "linked").symlink_to(root / "2.png")
    source = ListSource(_list(tmp_path, f"{root / '4.png'}\n{root / 'linked'}\n"))
    assert source.ids == ("4", "linked")
    assert source.load(1).sha256 == ListSource(_list(root, "2.png")).load(0).sha256


def test_a_name_that_begins_as_a_comment_is_an_image_where_there_is_one(root: Path) -> None:
    for name in ("#0.png", "# no"):
        (root / name).write_bytes(encoded(7))
    assert ListSource(_list(root, "#0.png\n#1.png\n# no\n./0.png\n# nobody")).names == ("# no", "#0.png", "0.png")


def test_names_that_are_no_utf8_are_listed_as_find_writes_them(root: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    (root / name).write_bytes(encoded(7))
    (root / "list.txt").write_bytes(b"0.png\ncaf\xe9.png\n")
    assert ListSource(root / "list.txt").names == ("0.png", name)
    (root / "list.txt").write_bytes(b"0.png\nth\xe9.png\n")
    with pytest.raises(InputError, match="no UTF-8 text at byte 8"):
        ListSource(root / "list.txt")


def test_missing_files_are_counted_and_the_first_named(root: Path) -> None:
    lines = "\n".join(["0.png", *(f"gone{number}.png" for number in range(5)), "."])
    with pytest.raises(InputError, match=r"6 lines \(\., gone0\.png, gone1\.png, \.\.\.\) of 7 that lead to no file"):
        ListSource(_list(root, lines))


def test_text_that_is_no_list_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match=r"2 lines .* of 2 that lead to no file"):
        ListSource(_list(root, "Dear reader,\nthis is a README.\n"))
    with pytest.raises(InputError, match=r"1 line \(nnn"):
        ListSource(_list(root, "n" * 5000))
    with pytest.raises(InputError, match="no lines but blank ones"):
        ListSource(_list(root, "# nothing\n\n"))


@pytest.mark.parametrize(
    ("content", "found"),
    [(encoded(0), "no UTF-8 text at byte 0"), ("0.png".encode("utf-16"), "no UTF-8"), (b"0.png\0\n", "binary data")],
)
def test_binary_lists_are_refused(root: Path, content: bytes, found: str) -> None:
    (root / "list.txt").write_bytes(content)
    with pytest.raises(InputError, match=rf"list\.txt: .*{found}"):
        ListSource(root / "list.txt")


def test_a_file_listed_twice_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match=r"1 file \(0\.png\) listed more than once"):
        ListSource(_list(root, "0.png\n1.png\n./0.png\n"))


def test_changes_are_noticed(root: Path) -> None:
    source = ListSource(_list(root, "0.png\n1.png\n"))
    assert source.changed() is None
    (root / "2.png").unlink()  # not listed
    assert source.changed() is None
    (root / "0.png").unlink()
    (root / "1.png").write_bytes(b"")
    assert source.changed() == "1 file (0.png) removed, 1 file (1.png) rewritten"
    with pytest.raises(InputError, match=r"1\.png: .*empty file"):
        source.load(1)


def test_a_list_that_is_missing_is_named(root: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt: .*nothing there"):
        ListSource(root / "none.txt")
