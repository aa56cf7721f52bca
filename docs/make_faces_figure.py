"""Writes docs/images/faces.webp: a photo, its edge map and part labels, and both of the face changed."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from p2phd_eval.editing.faces.landmark_files import read_landmarks, write_landmarks  # noqa: E402
from p2phd_eval.editing.faces.write_faces import write_faces  # noqa: E402
from p2phd_eval.images.decoding import open_image  # noqa: E402
from p2phd_eval.images.png import write_png  # noqa: E402
from tests.editing.faces.face_of_a_photo import WHOLE, photo  # noqa: E402

OUT = Path(__file__).parent / "images" / "faces.webp"
SIDE = 256
COLOURS = np.array(
    [(24, 24, 28), (226, 188, 160), (96, 62, 40), (240, 150, 100), (70, 130, 220), (200, 50, 70), (250, 250, 250)],
    dtype=np.uint8,
)


def changed(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The same face with raised eyebrows and an open mouth."""
    moved = points.copy()
    moved[17:27, 1] -= 8
    moved[[*range(55, 60), *range(65, 68)], 1] += 14  # the lower lip
    moved[4:13, 1] += 10 * np.sin(np.linspace(0, np.pi, 9))  # the jaw below it
    return moved


def picture(data: Path, name: str) -> npt.NDArray[np.uint8]:
    """The map or photo of the face, as colours."""
    pixels = np.asarray(open_image(data / name / "face.png"))
    if name.endswith("label"):
        return COLOURS[pixels]
    return np.repeat(pixels[..., np.newaxis], 3, axis=2) if pixels.ndim == 2 else pixels


def main() -> None:
    """Make both data sets, of the face and of the changed one, and set their pictures side by side."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_png(work / "photos" / "face.png", photo())
        write_landmarks(work / "face.txt", WHOLE)
        edges, parts = work / "edges", work / "parts"
        write_faces(edges, work / "face.txt", photos=work / "photos", crop=True, size=(SIDE, SIDE))
        write_landmarks(work / "moved.txt", changed(read_landmarks(edges / "train_keypoints" / "face.txt").points))
        (work / "moved").mkdir()
        (work / "moved.txt").rename(work / "moved" / "face.txt")
        cut = edges / "train_B"
        write_faces(edges, work / "moved", photos=cut, phase="moved")
        write_faces(parts, edges / "train_keypoints", photos=cut, maps="parts")
        write_faces(parts, work / "moved", photos=cut, maps="parts", phase="moved")
        shown = [
            picture(data, name)
            for data, name in (
                (edges, "train_B"),
                (edges, "train_A"),
                (parts, "train_label"),
                (edges, "moved_A"),
                (parts, "moved_label"),
            )
        ]
    Image.fromarray(np.concatenate(shown, axis=1)).save(OUT, lossless=True)


if __name__ == "__main__":
    main()
