"""The 68 points of a face in a photo, found by dlib with a landmark model of the user's."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.editing.faces.face_points import N_POINTS, Points
from p2phd_eval.errors import InputError

_UPSAMPLED = 1  # times the photo is doubled, so that faces from 40 pixels on are found


class LandmarkDetector:
    """Finds the largest face of a photo, by dlib's frontal detector, and its points, by a shape predictor.

    Parameters
    ----------
    model : Path
        A shape predictor of 68 points, such as `shape_predictor_68_face_landmarks.dat`.

    Raises
    ------
    InputError
        If dlib is missing, or the file is no shape predictor.
    """

    def __init__(self, model: Path) -> None:
        try:
            import dlib
        except ImportError:
            raise InputError(
                "--dlib-model",
                expected="dlib, to find faces in photos",
                found="that it is not installed",
                fix='Install it: pip install "p2phd-eval[faces]", or pip install dlib-bin. Or give landmarks as files.',
            ) from None
        if not model.is_file():
            raise InputError(
                str(model),
                expected="a landmark model of dlib, such as shape_predictor_68_face_landmarks.dat",
                found="a folder" if model.is_dir() else "no such file",
                fix="Its author publishes it as dlib-models; mind its licence, since it was trained on 300-W.",
            )
        try:
            self._predict = dlib.shape_predictor(str(model))
        except RuntimeError as error:
            raise InputError(
                str(model),
                expected="a landmark model of dlib",
                found=f"a file that dlib does not read ({error})",
                fix="Get it again: it may have been cut short, or still be compressed (.bz2).",
            ) from None
        self._model = model
        self._find: Any = dlib.get_frontal_face_detector()

    def __call__(self, photo: npt.NDArray[np.uint8]) -> tuple[Points | None, int]:
        """Return the points of the largest face, (68, 2), or None, and how many faces there are.

        `photo`: uint8 (h, w, 3), RGB. Raises `InputError` if the model has another number of points.
        """
        faces = list(self._find(photo, _UPSAMPLED))
        if not faces:
            return None, 0
        found = self._predict(photo, max(faces, key=lambda face: face.area()))
        if found.num_parts != N_POINTS:
            raise InputError(str(self._model), expected="a model of 68 points", found=f"one of {found.num_parts}")
        return np.array([(each.x, each.y) for each in found.parts()], dtype=np.float64), len(faces)
