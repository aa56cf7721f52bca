"""A real face: the photo of Eileen Collins, by NASA and in the public domain, that scikit-image has, and its points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from skimage.data import astronaut

from p2phd_eval.editing.faces.face_points import MIRRORED
from p2phd_eval.editing.faces.landmark_files import write_landmarks
from p2phd_eval.images.png import write_png

SIZE = (512, 512)

#: Of dlib's shape_predictor_68_face_landmarks.dat.
_FOUND = """
179,104 179,116 180,127 181,139 185,151 191,160 200,169 209,176 221,178 232,177 243,171 253,164 260,154 265,144 268,132
270,120 272,108 186,94 192,88 200,87 208,89 216,92 236,93 244,91 252,91 260,92 265,98 225,103 225,111 225,119 225,127
214,131 219,132 224,134 229,133 234,132 195,101 200,98 207,98 212,104 206,104 199,104 238,105 244,101 250,101 255,104
250,107 244,106 201,140 209,139 218,139 223,141 229,140 237,140 245,141 237,151 229,155 222,156 216,155 208,150 204,141
217,143 223,144 229,143 243,142 229,150 223,150 217,150
"""
WHOLE = np.array([[float(each) for each in pair.split(",")] for pair in _FOUND.split()])

#: The same between pixels, where no rounding is a matter of chance.
FACE = WHOLE + np.random.default_rng(0).uniform(0.1, 0.4, WHOLE.shape)


def photo() -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(astronaut())


def mirrored(points: npt.NDArray[np.float64], width: int = SIZE[0]) -> npt.NDArray[np.float64]:
    """The points of the mirrored picture."""
    return (points * (-1, 1) + (width - 1, 0))[list(MIRRORED)]


def face_folders(root: Path, n: int = 2, size: int = 64) -> tuple[Path, Path]:
    """Landmarks and photos of a few faces, each a little different: the photo's middle, made small."""
    from PIL import Image

    small = np.asarray(Image.fromarray(photo()[24:216, 128:320]).resize((size, size)))
    for k in range(n):
        scaled = (WHOLE - (128, 24) + 0.5) * (size / 192) - 0.5 + np.array([k, 0])
        write_landmarks(root / "landmarks" / f"face{k}.txt", scaled)
        write_png(root / "photos" / f"face{k}.png", np.roll(small, k, axis=1))
    return root / "landmarks", root / "photos"
