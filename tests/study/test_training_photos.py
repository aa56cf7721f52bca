"""Features of training photos, by a network of a user's own that is quick."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.study import training_photos
from p2phd_eval.study.study_plan import StudyPlan
from p2phd_eval.study.training_photos import reference_features, require_reference, usable_reference

_NETWORK = """
import torch
from p2phd_eval.features.identity import NetworkIdentity

def prepared(pixels):
    return torch.from_numpy(pixels[:4, :4].copy()).permute(2, 0, 1).float()

class Pixels:
    identity = NetworkIdentity(weights="pixels", weights_sha256="0" * 64, resize="none", dims=48, dtype="float32")
    device = torch.device("cpu")
    batch_size = 8
    prepare = staticmethod(prepared)

    def embed(self, batch):
        return batch.flatten(1)

def build(device, weights):
    return Pixels()
"""
INPUTS = {"data": "1" * 64, "weights": "2" * 64}


@pytest.fixture
def extract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureExtractor:
    (tmp_path / "pixel_network.py").write_text(_NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    return FeatureExtractor(FeatureSettings(network="pixel_network:build", device="cpu", cache=False))


@pytest.fixture
def plan(tmp_path: Path) -> StudyPlan:
    """40 training photos and 12 of the test, of 4 x 4 pixels of noise."""
    rng = np.random.default_rng(0)
    for phase, n in (("train", 40), ("test", 12)):
        for k in range(n):
            write_png(tmp_path / "data" / f"{phase}_img" / f"{k:03}.png", rng.integers(0, 256, (4, 4, 3), np.uint8))
    return StudyPlan(
        data=str(tmp_path / "data"), data_sha256="1" * 64, base=TrainConfig(), arms=("fp32", "bf16"), seeds=(0, 1)
    )


def test_the_training_photos_are_the_reference_and_are_read_once(
    plan: StudyPlan, extract: FeatureExtractor, tmp_path: Path
) -> None:
    real = extract(open_source(tmp_path / "data" / "test_img"))
    made = reference_features(tmp_path, plan, extract, INPUTS)
    assert made is not None
    assert (len(made), made.stamp.source) == (40, str(tmp_path / "data" / "train_img"))
    assert usable_reference(plan, made, real) == (made, None)
    before = (tmp_path / "features" / "reference.npz").stat().st_mtime_ns
    again = reference_features(tmp_path, plan, extract, INPUTS)
    assert again is not None and np.array_equal(again.values, made.values)
    assert (tmp_path / "features" / "reference.npz").stat().st_mtime_ns == before
    reference_features(tmp_path, plan, extract, {**INPUTS, "weights": "3" * 64})
    assert (tmp_path / "features" / "reference.npz").stat().st_mtime_ns > before


def test_of_very_many_photos_the_first_by_name_are_taken(
    plan: StudyPlan, extract: FeatureExtractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_photos, "MOST_PHOTOS", 35)
    real = extract(open_source(tmp_path / "data" / "test_img"))
    made = reference_features(tmp_path, plan, extract, INPUTS)
    assert made is not None
    assert made.ids == tuple(f"{k:03}" for k in range(35))
    found, note = usable_reference(plan, made, real)
    assert found is made
    assert note == "The block FID takes its axes from 35 of the 40 training photos, the first by name."


def test_photos_of_training_and_test_must_differ(plan: StudyPlan, extract: FeatureExtractor, tmp_path: Path) -> None:
    """A study goes on without a block FID, unless it was to be judged by it."""
    shutil.copy(tmp_path / "data" / "train_img" / "007.png", tmp_path / "data" / "test_img" / "011.png")
    real = extract(open_source(tmp_path / "data" / "test_img"))
    made = reference_features(tmp_path, plan, extract, INPUTS)
    found, note = usable_reference(plan, made, real)
    assert found is None
    assert note is not None and "found 1 that are also in the test photos ('011')" in note
    judged = StudyPlan(**{**vars(plan), "judge": Estimand.BLOCK_FID})
    with pytest.raises(InputError, match=r"(?s)--judge block-fid: .*in none of the compared sets.*--judge fid-at-n"):
        usable_reference(judged, made, real)


def test_too_few_training_photos(plan: StudyPlan, extract: FeatureExtractor, tmp_path: Path) -> None:
    require_reference(plan)
    for k in range(8):
        (tmp_path / "data" / "train_img" / f"{k:03}.png").unlink()
    assert reference_features(tmp_path, plan, extract, INPUTS) is None
    real = extract(open_source(tmp_path / "data" / "test_img"))
    assert usable_reference(plan, None, real) == (
        None,
        "No block FID: its reference takes more than 32 training photos, and there are 32.",
    )
    with pytest.raises(InputError, match="--judge block-fid: expected more than 32 training photos"):
        require_reference(plan)
