"""Fixtures: dlib's landmark model in small."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.editing.faces.face_of_a_photo import WHOLE
from tests.editing.faces.small_predictor import train_predictor


@pytest.fixture(scope="session")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A landmark model of 68 points that knows the face of the test photo."""
    return train_predictor(tmp_path_factory.mktemp("dlib") / "small.dat", WHOLE)
