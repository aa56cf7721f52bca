"""What label numbers mean: files of the user's, names of the data set, and what is neither."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.segmentation.class_map import find_class_map

CLASSES = ("road", "sky", "terrain", "vegetation")
TOML = """
[labels]
0 = "ignore"
7 = "road"
8 = "road"
21 = "vegetation"
23 = "sky"

[predicted]
terrain = "vegetation"
"""


def test_a_file_names_labels_and_joins_classes(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text(TOML)
    found = find_class_map(path, CLASSES, ignore=[255])
    assert found.classes == ("road", "sky", "vegetation")
    truth = found.true_classes(np.array([[0, 7, 8], [21, 23, 255]], dtype=np.uint8), "map")
    assert truth.tolist() == [[-1, 0, 0], [2, 1, -1]]
    assert found.predicted_classes(np.arange(4)).tolist() == [0, 1, 2, 2]


def test_a_table_says_the_same_as_toml(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text('[labels]\n1 = "road"\n0 = "ignore"\n')
    (tmp_path / "map.csv").write_text("class,label\nignore,0\nroad,1\n")
    one, other = (find_class_map(tmp_path / f"map.{ending}", CLASSES) for ending in ("toml", "csv"))
    assert (one.labels, one.sha256) == (other.labels, other.sha256)
    assert find_class_map(None, CLASSES).sha256 != one.sha256


def test_without_a_file_numbers_or_names_agree() -> None:
    plain = find_class_map(None, CLASSES)
    assert plain.labels == {0: 0, 1: 1, 2: 2, 3: 3}
    assert find_class_map(None, CLASSES, names=("road", "sky")).labels == plain.labels
    assert find_class_map(None, CLASSES, names=("sky", "void", "road"), ignore=[1]).labels == {0: 1, 1: None, 2: 0}
    with pytest.raises(InputError, match="such as 'void', found 4 others: road"):
        find_class_map(None, CLASSES, names=("sky", "void"))


def test_a_number_without_a_class_is_named_with_its_place() -> None:
    with pytest.raises(InputError, match=r"found 9 at x=2, y=1 \(and 0 more pixels") as caught:
        find_class_map(None, CLASSES).true_classes(np.array([[0, 1, 2], [3, 0, 9]], dtype=np.uint16), "maps/a.png")
    assert "--ignore 9" in caught.value.fix


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("map.toml", '[labels]\n1 = "bus"\n', "'bus'"),
        ("map.toml", '[labels]\n1 = "road"\n[predicted]\nbus = "road"\n', "'bus'"),
        ("map.toml", '[labels]\n1 = "road"\n[predicted]\nsky = "ignore"\n', "'ignore'"),
        ("map.toml", '[labels]\n1 = "road"\n[predicted]\nsky = "terrain"\nterrain = "road"\n', "'terrain'"),
        ("map.toml", '[labels]\n1 = "ignore"\n', "no pixel would count"),
        ("map.toml", "[labels]\n1 = 2\n", "1 = 2"),
        ("map.toml", '[labels]\none = "road"\n', "'one'"),
        ("map.toml", '[classes]\n1 = "road"\n', "'classes'"),
        ("map.toml", "1: road", "no TOML"),
        ("map.toml", "[labels]\n1 = " + 5000 * "9", "no TOML"),
        ("map.csv", "id,name\n1,road\n", "'id'"),
        ("map.csv", "label,class\n1,road\n1,sky\n", "the label 1 twice"),
        ("map.csv", "label,class\n1,road,x\n", "3 cells"),
        ("map.csv", b"label,class\n1,r\xffad\n", "no UTF-8"),
        ("none.toml", None, "nothing there"),
    ],
)
def test_what_is_no_class_map_is_refused(tmp_path: Path, name: str, content: str | bytes | None, found: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as caught:
        find_class_map(tmp_path / name, CLASSES)
    assert found in str(caught.value)
