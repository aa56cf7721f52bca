from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.sources.folder import FolderSource
from p2phd_eval.images.sources.manifest_lines import ManifestSource
from p2phd_eval.images.sources.open import open_source
from tests.images.sources.pack import encoded, write_folder

LINES = [
    {"image": "sub/1.png", "condition": "a cat, red", "seed": 0, "prompt": "more"},
    {"image": "0.png", "condition": "x_gtFine_labelIds", "seed": 12},
    {"image": "2.png", "condition": "a cat, red", "seed": 1},
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_folder(
        tmp_path / "x", {name: encoded(k) for k, name in enumerate(["0.png", "sub/1.png", "2.png", "notes.txt"])}
    )


def _manifest(root: Path, lines: list[Any], name: str = "manifest.jsonl") -> Path:
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    (root / name).write_bytes(text.encode())
    return root / name


def test_conditions_and_seeds_make_the_ids_of_any_names(root: Path) -> None:
    source = open_source(_manifest(root, LINES))
    assert source.names == ("0.png", "2.png", "sub/1.png")
    assert source.ids == ("x@12", "a cat, red@1", "a cat, red@0")
    assert source.load(2).sha256 == FolderSource(root).load(2).sha256
    assert source.describe(2) == str(root / "sub/1.png")
    assert source.changed() is None


def test_the_folder_and_its_manifest_are_one_set_and_the_order_of_the_lines_none(root: Path) -> None:
    path = _manifest(root, LINES)
    folder, alone = open_source(root), open_source(path)
    assert (folder.ids, folder.names, folder.name) == (alone.ids, alone.names, str(root))
    assert alone.name == str(path)
    _manifest(root, LINES[::-1])
    assert open_source(root).ids == folder.ids


def test_a_byte_order_mark_is_no_part_of_the_first_line(root: Path) -> None:
    path = _manifest(root, LINES)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(open_source(root)) == 3


def test_a_change_of_the_manifest_or_of_the_folder_is_noticed(root: Path) -> None:
    folder, alone = open_source(_manifest(root, LINES)), open_source(root)
    (root / "3.png").write_bytes(encoded(3))
    assert folder.changed() is None
    assert alone.changed() == "none for 1 image (3.png)"
    (root / "3.png").unlink()
    _manifest(root, LINES[:2])
    assert folder.changed() == "1 file (" + str(root / "manifest.jsonl") + ") rewritten"


def test_a_folder_must_be_named_whole_and_a_manifest_by_itself_need_not(root: Path) -> None:
    path = _manifest(root, LINES[:2])
    assert len(open_source(path)) == 2
    with pytest.raises(
        InputError, match=re.escape(f"{path}: expected a line for each image of the folder, found none")
    ):
        open_source(root)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"image": "3.png", "condition": "a", "seed": 0}, r"line 2: expected an image in .*, found '3\.png', which is"),
        ({"image": "n" * 5000, "condition": "a", "seed": 0}, "line 2: expected an image in .*, which is not there"),
        ({"image": "sub", "condition": "a", "seed": 0}, "line 2: expected an image in .*, found 'sub', which is not"),
        ({"image": "../x/0.png", "condition": "a", "seed": 0}, r"line 2: expected the path of an image inside"),
        ({"image": "/etc/passwd", "condition": "a", "seed": 0}, "found '/etc/passwd'"),
        ({"image": "", "condition": "a", "seed": 0}, "line 2: expected the path of an image inside"),
        ({"image": "a\0b", "condition": "a", "seed": 0}, "line 2: expected the path of an image inside"),
        ({"image": "2.png", "condition": "a", "seed": -1}, r"line 2, \$\.seed: expected `?int`? >= 0, found -1"),
        ({"image": "2.png", "condition": "a", "seed": 1.5}, r"line 2, \$\.seed: expected int, found 1\.5"),
        ({"image": "2.png", "condition": "a", "seed": "0"}, r"line 2, \$\.seed: expected int, found '0'"),
        ({"image": "2.png", "condition": "a", "seed": True}, r"line 2, \$\.seed: expected int, found True"),
        ({"image": "2.png", "condition": 7, "seed": 0}, r"line 2, \$\.condition: expected str, found 7"),
        ({"image": "2.png", "condition": " ", "seed": 0}, "line 2: expected a condition: text that can be printed"),
        ({"image": "2.png", "condition": "a\nb", "seed": 0}, r"line 2: expected a condition.*found 'a\\nb'"),
        ({"image": "2.png", "seed": 0}, "line 2: expected the key 'condition', found none"),
        ({"image": "2.png", "condition": "a cat, red", "seed": 0}, "line 2: .*with those of sub/1.png in line 1"),
        ({"image": "sub/../0.png", "condition": "b", "seed": 0}, "line 2: expected the path of an image inside"),
        ({"image": "./sub/1.png", "condition": "b", "seed": 0}, r"found 1 image \(sub/1\.png\) named more than once"),
        ("{", "line 2: expected a JSON object a line, such as .*, found text that is not JSON"),
        ("", "line 2: expected a JSON object a line"),
        ("[]", "line 2: expected object, found"),
    ],
)
def test_a_broken_line_is_named(root: Path, line: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ManifestSource(_manifest(root, [LINES[0], line]))


def test_an_empty_manifest_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match="found an empty file"):
        open_source(_manifest(root, []))
