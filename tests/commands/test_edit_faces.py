"""`edit faces` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2phd_eval.editing.faces.write_faces import write_faces
from tests.commands.command_line import TRAIN_OPTIONS, document_of, error_of, invoke
from tests.editing.faces.face_of_a_photo import face_folders


def test_the_command_writes_what_the_call_writes(tmp_path: Path) -> None:
    landmarks, photos = face_folders(tmp_path)
    (landmarks / "face1.txt").unlink()
    typed = (
        "edit",
        "faces",
        landmarks,
        "--photos",
        photos,
        "--size",
        48,
        40,
        "--crop",
        "--maps",
        "parts",
        "--phase",
        "t",
    )
    result = invoke(*typed, "--out", tmp_path / "typed", "--json", "-")
    document = document_of(result)
    assert (document["n"], document["maps"], document["without_face"]) == (1, "parts", ["face1"])
    assert "Left out, without landmarks: 1, such as face1." in result.stderr
    assert "1 map of parts in " in " ".join(result.stderr.split())
    write_faces(tmp_path / "called", landmarks, photos=photos, size=(48, 40), crop=True, maps="parts", phase="t")
    files = [
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "typed", tmp_path / "called")
    ]
    assert files[0] == files[1]
    assert len(files[0]) == 4


@pytest.mark.usefixtures("one_thread")
def test_edges_of_faces_train_without_further_options(tmp_path: Path) -> None:
    """classes.json says that the maps are pictures: no --label-nc 0 is needed."""
    landmarks, photos = face_folders(tmp_path)
    data = tmp_path / "data"
    for phase in ("train", "test"):
        result = invoke("edit", "faces", landmarks, "--photos", photos, "--out", data, "--phase", phase)
        assert result.exit_code == 0, result.output
    document = document_of(
        invoke("train", data, "--out", tmp_path / "run", "--device", "cpu", *TRAIN_OPTIONS, "--json", "-")
    )
    assert document["config"]["data"]["label_nc"] == 0
    assert invoke("generate", tmp_path / "run", data, "--out", tmp_path / "samples", "--device", "cpu").exit_code == 0
    assert len(list((tmp_path / "samples").glob("*.png"))) == 2


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    landmarks, _ = face_folders(tmp_path)
    assert "--photos: expected a folder of photos with no --size" in error_of(
        invoke("edit", "faces", landmarks, "--out", tmp_path / "data")
    )
    assert "found neither" in error_of(invoke("edit", "faces", "--out", tmp_path / "data"))
