from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.editing.faces.landmark_files import list_landmarks, read_landmarks, write_landmarks
from p2phd_eval.errors import InputError
from tests.editing.faces.face_of_a_photo import FACE

LINES = [f"{x!r},{y!r}" for x, y in FACE.tolist()]
PTS = "version: 1\nn_points: 68\n{\n" + "".join(f"{x + 1!r} {y + 1!r}\n" for x, y in FACE.tolist()) + "}\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "\n".join(LINES)),
        ("a.txt", "# dlib\n\n" + "\n".join(LINES).replace(",", "  ") + "\n\n"),
        ("a.csv", "x,y\r\n" + "\r\n".join(LINES)),
        ("a.csv", '"X";"Y"\n' + "\n".join(LINES).replace(",", "; ")),
        ("a.CSV", "\ufeff" + "\n".join(LINES)),
        ("a.json", json.dumps(FACE.tolist())),
        ("a.json", json.dumps({"landmarks": FACE.tolist(), "image": "a.jpg"})),
        ("a.json", json.dumps({"points": FACE.tolist()})),
        ("a.pts", PTS),
        ("a.pts", PTS.replace("version: 1\n", "version:1\n\n").replace("n_points: 68", "n_points:  68")),
    ],
)
def test_all_formats_give_the_same_points(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    np.testing.assert_allclose(read_landmarks(path).points, FACE, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_arrays(tmp_path: Path, dtype: type) -> None:
    np.save(tmp_path / "a.npy", FACE.astype(dtype))
    found = read_landmarks(tmp_path / "a.npy")
    assert found.points.dtype == np.float64
    np.testing.assert_array_equal(found.points, FACE.astype(dtype))


def test_what_is_written_is_read_to_the_bit(tmp_path: Path) -> None:
    write_landmarks(tmp_path / "a.txt", FACE)
    np.testing.assert_array_equal(read_landmarks(tmp_path / "a.txt").points, FACE)
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "a.txt", delimiter=","), FACE)  # as vid2vid reads it


def with_line(number: int, line: str) -> str:
    return "\n".join([*LINES[: number - 1], line, *LINES[number:]])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "\n".join(LINES[:-1]), "a.txt: expected the 68 points of a face, x and y of each, found 67 points"),
        ("a.txt", "", "a.txt: expected the 68 points of a face, x and y of each, found 0 points"),
        ("a.txt", with_line(5, "nan,3"), "a.txt, line 5: expected two finite numbers, x and y, found nan, 3"),
        ("a.csv", "x,y\n" + with_line(5, "3,-inf"), "a.csv, line 6: expected two finite numbers, x and y, found 3, -i"),
        ("a.txt", with_line(5, "1,2,3"), "a.txt, line 5: expected two numbers, x and y, found '1,2,3'"),
        ("a.txt", with_line(5, "a b"), "a.txt, line 5: expected two numbers, x and y, found 'a b'"),
        ("a.pts", "\n".join(LINES), "a.pts: expected points between lines of { and }, found none"),
        ("a.pts", PTS.replace("68", "5"), "a.pts, line 2: expected the number of points, 68, found '5'"),
        ("a.pts", PTS.replace("version", "colour"), "a.pts, line 1: expected version: 1 or n_points: 68, found 'colo"),
        ("a.json", "{", "a.json: expected the 68 points of a face, x and y of each, found text that is not JSON"),
        ("a.json", "[[1, 2], [3, null]]", r"a.json, \$\[1\]: expected two numbers, \[x, y\], found \[3, None\]"),
        ("a.json", '{"points": 3}', r"a.json, \$.points: expected the 68 points"),
        ("a.json", '{"faces": []}', 'a.json: expected a list of points as "points" or "landmarks", found neither'),
        ("a.json", json.dumps(FACE[:67].tolist()), "a.json: expected the 68 points .* found 67 points"),
        ("a.npy", "text", r"a.npy: expected an array of numbers \(68, 2\), found "),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_landmarks(tmp_path / name)


def test_arrays_that_are_no_points(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for array, message in (
        (np.zeros((5, 2)), "found 5 points"),
        (np.zeros((68, 3)), r"found an array of float64 \(68, 3\)"),
        (np.full((68, 2), 1j), "found complex128"),
    ):
        np.save(path, array)
        with pytest.raises(InputError, match=message):
            read_landmarks(path)
    with path.open("wb") as stream:  # a header that promises more than the machine has
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (2**50, 2)})
    with pytest.raises(InputError, match=r"found an array of float64 \(1125899906842624, 2\)"):
        read_landmarks(path)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "witness",))

    path = tmp_path / "a.npy"
    np.save(path, np.array([[Malicious(), 1]] * 68, dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="found an array of object"):
        read_landmarks(path)
    path.write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(InputError, match="expected an array of numbers"):
        read_landmarks(path)
    assert not (tmp_path / "witness").exists()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found nothing there"):
        read_landmarks(tmp_path / "a.txt")
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="found bytes that are no text"):
        read_landmarks(tmp_path / "a.txt")
    (tmp_path / "a.txt").write_bytes(b"1" * (1 << 20) + b"1")
    with pytest.raises(InputError, match="found a file of more than 1 MiB"):
        read_landmarks(tmp_path / "a.txt")


def test_the_files_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.txt", "a.PTS", "._a.txt", "photo.jpg"):
        (tmp_path / name).touch()
    assert list_landmarks(tmp_path) == {"a": tmp_path / "a.PTS", "b": tmp_path / "b.txt"}
    assert list_landmarks(tmp_path / "b.txt") == {"b": tmp_path / "b.txt"}
    (tmp_path / "a.csv").touch()
    with pytest.raises(InputError, match=r"expected one file of landmarks a name, found a.PTS and a.csv"):
        list_landmarks(tmp_path)
    with pytest.raises(InputError, match="expected a file or folder of landmarks, found nothing there"):
        list_landmarks(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"expected files of landmarks, which end in .pts, .*, found none"):
        list_landmarks(tmp_path / "empty")
