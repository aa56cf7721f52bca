"""Finished is what has the content that was recorded, made from the inputs there are now."""

from __future__ import annotations

from pathlib import Path

from p2phd_eval.config import DataConfig
from p2phd_eval.scenes.data_set import CLASSES, write_dataset
from p2phd_eval.study.artefacts import (
    content_sha256,
    data_sha256,
    finished,
    read_data,
    read_record,
    record,
    values_sha256,
)


def test_only_the_recorded_content_from_the_same_inputs_is_finished(tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.write_text("made")
    assert finished(tmp_path, "a/b", {"x": "1"}, content) is None
    made = record(tmp_path, "a/b", {"x": "1"}, content, 2.5)
    assert finished(tmp_path, "a/b", {"x": "1"}, content) == made == read_record(tmp_path, "a/b")
    assert finished(tmp_path, "a/b", {"x": "2"}, content) is None
    assert finished(tmp_path, "a/b", {"x": "1", "y": "1"}, content) is None
    content.write_text("Made")  # as long as before
    assert finished(tmp_path, "a/b", {"x": "1"}, content) is None
    content.unlink()
    assert finished(tmp_path, "a/b", {"x": "1"}, content) is None
    (tmp_path / "records" / "a" / "b.json").write_text("{")
    assert read_record(tmp_path, "a/b") is None


def test_a_folder_is_known_by_names_and_contents(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inside").mkdir(parents=True)
    (folder / "a").write_text("1")
    (folder / "inside" / "b").write_text("2")
    before = content_sha256(folder)
    (folder / ".a.123.part").write_text("half")  # what a kill leaves behind
    assert content_sha256(folder) == before
    (folder / "a").rename(folder / "c")
    assert content_sha256(folder) != before
    (folder / "c").rename(folder / "a")
    assert content_sha256(folder) == before


def test_data_are_known_by_their_files_alone(tmp_path: Path) -> None:
    config = DataConfig(label_nc=len(CLASSES))
    for name in ("one", "two"):
        write_dataset(tmp_path / name, n_train=2, n_test=1, width=64, height=32, seed=0)

    def known(name: str, *phases: str) -> str:
        return data_sha256(read_data(tmp_path / name, config, phases))

    one = known("one", "train", "test")
    assert known("two", "train", "test") == one
    assert known("one", "test") != one
    photo = next((tmp_path / "two" / "test_img").iterdir())
    photo.write_bytes(photo.read_bytes() + b"\0")
    assert known("two", "train", "test") != one


def test_values_are_known_whatever_their_order() -> None:
    assert values_sha256({"a": 1, "b": [1, 2]}) == values_sha256({"b": [1, 2], "a": 1})
    assert values_sha256({"a": 1}) != values_sha256({"a": 2})
