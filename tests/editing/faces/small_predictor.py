"""A landmark model of dlib's own format, trained in a second on one face."""

from __future__ import annotations

from pathlib import Path

import dlib
import numpy as np
import numpy.typing as npt

from tests.editing.faces.face_of_a_photo import photo


def train_predictor(path: Path, points: npt.NDArray[np.float64]) -> Path:
    """Train dlib's shape predictor on the points of the test photo's face."""
    options = dlib.shape_predictor_training_options()
    options.tree_depth, options.cascade_depth, options.num_trees_per_cascade_level = 2, 4, 20
    options.feature_pool_size, options.oversampling_amount, options.num_threads = 50, 10, 1
    faces = dlib.get_frontal_face_detector()(photo(), 1)
    shape = dlib.full_object_detection(
        max(faces, key=lambda face: face.area()), [dlib.point(int(x), int(y)) for x, y in points]
    )
    dlib.train_shape_predictor([photo()], [[shape]], options).save(str(path))
    return path
