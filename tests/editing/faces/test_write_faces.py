from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from p2phd_eval.config import DataConfig, FeatureConfig, TrainConfig
from p2phd_eval.editing.faces.face_maps import edge_map, part_map
from p2phd_eval.editing.faces.face_points import PART_NAMES
from p2phd_eval.editing.faces.landmark_files import read_landmarks, write_landmarks
from p2phd_eval.editing.faces.write_faces import write_faces
from p2phd_eval.errors import InputError
from p2phd_eval.generators.data.validation import validate_data
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.generators.training.loop import train_networks
from p2phd_eval.images.decoding import open_image, read_rgb
from p2phd_eval.images.png import write_png
from tests.editing.faces.face_of_a_photo import FACE, WHOLE, face_folders, photo


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Landmarks and photos of two small faces. Not to be changed."""
    return face_folders(tmp_path_factory.mktemp("faces"))


def content(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_edge_maps_are_pix2pixhds_layout(folders: tuple[Path, Path], tmp_path: Path) -> None:
    landmarks, photos = folders
    result = write_faces(tmp_path / "data", landmarks, photos=photos)
    assert (result.n, result.maps, result.without_face, result.several_faces) == (2, "edges", (), ())
    write_faces(tmp_path / "data", landmarks, photos=photos, phase="test")
    names = [f"{phase}_{kind}" for phase in ("test", "train") for kind in ("A", "B", "keypoints")]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["classes.json", *names]
    assert json.loads((tmp_path / "data" / "classes.json").read_text()) == {"label_nc": 0, "classes": []}
    points = read_landmarks(landmarks / "face1.txt").points
    image = read_rgb(photos / "face1.png")
    assert open_image(tmp_path / "data" / "train_A" / "face1.png").mode == "L"
    drawn = np.asarray(open_image(tmp_path / "data" / "train_A" / "face1.png"))
    np.testing.assert_array_equal(drawn, edge_map(points, (64, 64), image))
    assert (tmp_path / "data/train_B/face1.png").read_bytes() == (photos / "face1.png").read_bytes()
    assert validate_data(tmp_path / "data").problems == ()


def test_part_labels_are_pix2pixhds_layout(folders: tuple[Path, Path], tmp_path: Path) -> None:
    landmarks, photos = folders
    write_faces(tmp_path / "data", landmarks, photos=photos, maps="parts")
    assert json.loads((tmp_path / "data" / "classes.json").read_text()) == {"label_nc": 7, "classes": list(PART_NAMES)}
    label = np.asarray(open_image(tmp_path / "data" / "train_label" / "face0.png"))
    np.testing.assert_array_equal(label, part_map(read_landmarks(landmarks / "face0.txt").points, (64, 64)))
    report = validate_data(tmp_path / "data")
    assert report.problems == ()
    assert (report.label_nc, report.instances) == (7, False)


def test_the_points_of_the_maps_draw_them_again(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Cut and scaled: the points are in the pixels of the maps, so that a person can move them there."""
    landmarks, photos = folders
    out = tmp_path / "data"
    write_faces(out, landmarks, photos=photos, size=(96, 80), crop=True)
    again = tmp_path / "again"
    write_faces(again, out / "train_keypoints", photos=out / "train_B")
    assert content(again) == content(out)
    # Moved, they draw another face.
    points = read_landmarks(out / "train_keypoints" / "face0.txt").points
    points[48:68, 1] += 6
    write_landmarks(tmp_path / "moved" / "face0.txt", points)
    write_faces(tmp_path / "changed", tmp_path / "moved", size=(96, 80))
    assert not (tmp_path / "changed" / "train_B").exists()
    changed = np.asarray(open_image(tmp_path / "changed" / "train_A" / "face0.png"))
    np.testing.assert_array_equal(changed, edge_map(points, (96, 80)))


def test_scaled_and_cut_points_stay_on_the_photo(tmp_path: Path) -> None:
    """Bright spots at the points are bright spots at the points of the maps."""
    dark = np.zeros((512, 512, 3), dtype=np.uint8)
    at = [8, 27, 36, 45]  # far from each other
    for x, y in WHOLE[at].astype(int):
        dark[y - 1 : y + 2, x - 1 : x + 2] = 255
    write_png(tmp_path / "photos" / "a.png", dark)
    write_landmarks(tmp_path / "a.txt", WHOLE)
    write_faces(
        tmp_path / "data", tmp_path / "a.txt", photos=tmp_path / "photos", size=(465, 465), crop=True, background=False
    )
    points = read_landmarks(tmp_path / "data/train_keypoints/a.txt").points
    image = read_rgb(tmp_path / "data/train_B/a.png")[..., 0].astype(float)
    assert np.ptp(points[:, 0]) == pytest.approx(465 / 2.5, abs=1.5)
    for x, y in points[at]:
        rows, columns = np.mgrid[round(y) - 6 : round(y) + 7, round(x) - 6 : round(x) + 7]
        weights = image[rows, columns]
        centre = ((columns * weights).sum() / weights.sum(), (rows * weights).sum() / weights.sum())
        np.testing.assert_allclose(centre, (x, y), rtol=0, atol=0.1)


def test_photos_without_landmarks_are_left_out_and_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    landmarks, photos = folders
    result = write_faces(tmp_path / "data", landmarks / "face0.txt", photos=photos)
    assert (result.n, result.without_face) == (1, ("face1",))


def test_faces_are_found_in_photos(predictor: Path, tmp_path: Path) -> None:
    write_png(tmp_path / "photos" / "person.png", photo())
    write_png(tmp_path / "photos" / "wall.png", np.full((80, 80, 3), 99, dtype=np.uint8))
    seen: list[tuple[int, int]] = []
    result = write_faces(
        tmp_path / "data",
        photos=tmp_path / "photos",
        dlib_model=predictor,
        crop=True,
        size=(64, 64),
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert (result.n, result.without_face, seen) == (1, ("wall",), [(1, 2)])
    assert sorted(content(tmp_path / "data")) == [
        *("classes.json", "train_A/person.png", "train_B/person.png", "train_keypoints/person.txt")
    ]
    (tmp_path / "photos" / "person.png").unlink()
    with pytest.raises(InputError, match="expected photos with a face, found none in 1 photos"):
        write_faces(tmp_path / "none", photos=tmp_path / "photos", dlib_model=predictor)
    assert not (tmp_path / "none").exists()


def test_a_face_that_cannot_be_drawn_leaves_nothing_behind(folders: tuple[Path, Path], tmp_path: Path) -> None:
    landmarks, photos = folders
    write_landmarks(tmp_path / "wrong" / "face0.txt", FACE)  # of another size of the photo
    for name in ("face0", "face1"):
        write_landmarks(tmp_path / "wrong" / f"{name}.txt", read_landmarks(landmarks / f"{name}.txt").points)
    lines = (tmp_path / "wrong" / "face1.txt").read_text().splitlines()
    lines[11] = "400,30"
    (tmp_path / "wrong" / "face1.txt").write_text("\n".join(lines))
    message = "face1.txt, line 12: expected a point in or near a picture of 64 x 64 pixels, found 400, 30"
    with pytest.raises(InputError, match=message):
        write_faces(tmp_path / "data", tmp_path / "wrong", photos=photos)
    assert not (tmp_path / "data").exists()
    write_faces(tmp_path / "data", landmarks, photos=photos)
    before = content(tmp_path / "data")
    with pytest.raises(InputError, match=message):
        write_faces(tmp_path / "data", tmp_path / "wrong", photos=photos, phase="test")
    assert content(tmp_path / "data") == before


def test_bad_requests(folders: tuple[Path, Path], tmp_path: Path) -> None:
    landmarks, photos = folders
    out = tmp_path / "data"
    with pytest.raises(InputError, match=r"LANDMARKS: expected files of landmarks, or --dlib-model .*, found neither"):
        write_faces(out, photos=photos)
    with pytest.raises(InputError, match="found both"):
        write_faces(out, landmarks, photos=photos, dlib_model=Path("model.dat"))
    with pytest.raises(InputError, match="--photos: expected a folder of photos with no --size, found none"):
        write_faces(out, landmarks)
    with pytest.raises(InputError, match="--photos: expected a folder of photos with --crop, found none"):
        write_faces(out, landmarks, size=(64, 64), crop=True)
    with pytest.raises(InputError, match="--photos: expected a folder of photos with --dlib-model, found none"):
        write_faces(out, dlib_model=Path("model.dat"), size=(64, 64))
    with pytest.raises(InputError, match="--size, height: expected a whole number from 1 to 16384, found 0"):
        write_faces(out, landmarks, size=(64, 0))
    with pytest.raises(InputError, match=r"--maps: expected edges \| parts, found 'lines'"):
        write_faces(out, landmarks, size=(64, 64), maps="lines")
    with pytest.raises(InputError, match=r"--phase: expected a name for folders, such as train, found '../train'"):
        write_faces(out, landmarks, size=(64, 64), phase="../train")
    write_landmarks(tmp_path / "more" / "stranger.txt", FACE)
    with pytest.raises(
        InputError, match="expected a photo of the name of each file of landmarks, found none for 1: st"
    ):
        write_faces(out, tmp_path / "more", photos=photos)
    assert not out.exists()

    write_faces(out, landmarks, size=(64, 64))
    with pytest.raises(InputError, match="train_keypoints: expected nothing there yet, found a folder"):
        write_faces(out, landmarks, size=(64, 64))
    with pytest.raises(InputError, match=r"classes.json: expected 7 classes, as these maps have, found other classes"):
        write_faces(out, landmarks, size=(64, 64), maps="parts", phase="test")
    with pytest.raises(InputError, match=r"expected a new or empty folder, or a data set with classes.json, found a f"):
        write_faces(landmarks, landmarks, size=(64, 64))


@pytest.mark.parametrize("maps", ["edges", "parts"])
@pytest.mark.usefixtures("one_thread")
def test_faces_train_and_are_generated(
    folders: tuple[Path, Path], tiny: TrainConfig, tmp_path: Path, maps: str
) -> None:
    """Edges as photos to photos, parts as label maps with features by label, as the talk's faces have them."""
    landmarks, photos = folders
    data = tmp_path / "data"
    for phase in ("train", "test"):
        write_faces(data, landmarks, photos=photos, maps=maps, phase=phase)
    config = dataclasses.replace(
        tiny,
        data=DataConfig(label_nc=0 if maps == "edges" else 7, load_size=64, instances=False),
        features=FeatureConfig(kind="none" if maps == "edges" else "label", nef=4, n_downsample=2),
        epochs=1,
        epochs_decay=0,
    )
    result = train_networks(config, data, tmp_path / "run", device=torch.device("cpu"))
    assert result.step == 1
    style = "photo" if maps == "parts" else None
    generate(tmp_path / "run", data, tmp_path / "samples", device="cpu", style=style)
    assert read_rgb(tmp_path / "samples" / "face1.png").shape == (64, 64, 3)
