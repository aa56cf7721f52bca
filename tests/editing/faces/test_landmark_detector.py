from __future__ import annotations

import sys
from pathlib import Path

import dlib
import numpy as np
import numpy.typing as npt
import pytest

from p2phd_eval.editing.faces.landmark_detector import LandmarkDetector
from p2phd_eval.errors import InputError
from tests.editing.faces.face_of_a_photo import WHOLE, photo
from tests.editing.faces.small_predictor import train_predictor


def face_of(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """What dlib's own calls give, as its examples make them."""
    largest = max(dlib.get_frontal_face_detector()(image, 1), key=lambda face: face.area())
    return np.array([largest.left(), largest.top(), largest.right(), largest.bottom()], dtype=float)


def test_the_largest_face_of_a_real_photo(predictor: Path) -> None:
    points, n_faces = LandmarkDetector(predictor)(photo())
    assert n_faces >= 1
    assert points is not None
    # The model has seen this one face: it knows it by heart.
    assert np.abs(points - WHOLE).max() < 12
    left, top, right, bottom = face_of(photo())
    assert ((points > (left - 20, top - 20)) & (points < (right + 20, bottom + 30))).all()


def test_a_photo_without_a_face(predictor: Path) -> None:
    assert LandmarkDetector(predictor)(np.zeros((64, 64, 3), dtype=np.uint8)) == (None, 0)


def test_models_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a landmark model of dlib, such as .*, found no such file"):
        LandmarkDetector(tmp_path / "none.dat")
    (tmp_path / "text.dat").write_text("text")
    with pytest.raises(InputError, match="expected a landmark model of dlib, found a file that dlib does not read"):
        LandmarkDetector(tmp_path / "text.dat")
    five = train_predictor(tmp_path / "five.dat", WHOLE[[36, 39, 42, 45, 33]])
    with pytest.raises(InputError, match=r"five.dat: expected a model of 68 points, found one of 5"):
        LandmarkDetector(five)(photo())


def test_without_dlib(predictor: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(
        InputError, match=r"--dlib-model: expected dlib.*\nInstall it: pip install \"p2phd-eval\[faces\]"
    ):
        LandmarkDetector(predictor)
