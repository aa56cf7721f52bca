"""The documents of a study hold what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.files import file_sha256
from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.quality.run_quality import QualityRun, quality_of_runs
from p2phd_eval.report.documents.study_documents import QualityDocument, quality_part
from tests.quality.alexnet import write_random_alexnet

RNG = np.random.default_rng(0)
PHOTOS = ArraySource(RNG.integers(256, size=(5, 32, 40, 3), dtype=np.uint8))
RUNS = [
    QualityRun(
        name=f"{arm}-s{seed}",
        arm=arm,
        seed=seed,
        repeat=False,
        source=ArraySource(RNG.integers(256, size=(5, 32, 40, 3), dtype=np.uint8)),
    )
    for arm in ("fp32", "amp-bf16")
    for seed in (0, 1)
]
RUNS.append(QualityRun(name="fp32-s0-repeat", arm="fp32", seed=0, repeat=True, source=RUNS[0].source))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_alexnet(tmp_path_factory.mktemp("alexnet") / "random.pth")


def test_quality_holds_every_number_as_json(weights: Path) -> None:
    quality = quality_of_runs(PHOTOS, RUNS, baseline="fp32", lpips_weights=weights)
    written = QualityDocument(quality=quality_part(quality)).to_builtins()
    document = json.loads(json.dumps(written, allow_nan=False))["quality"]
    assert list(document) == ["metrics", "to_photo", "between", "notes"]
    assert document["metrics"][1] == {
        "name": "PSNR",
        "unit": "dB",
        "better": "higher",
        "network": None,
        "weights_sha256": None,
    }
    assert document["metrics"][2]["weights_sha256"] == file_sha256(weights)
    for row, made in zip(document["to_photo"], quality.to_photo, strict=True):
        assert (row["metric"], row["arm"], row["mean"]) == (made.metric, made.arm, made.mean.value)
        assert row["se"] == made.mean.error.value
        if made.difference is None:
            assert (row["arm"], row["difference"]) == ("fp32", None)
        else:
            assert row["difference"] == {
                "estimate": made.difference.estimate,
                "se": made.difference.error.value,
                "interval": list(made.difference.interval),
                "p_value": made.difference.p_value,
                "p_holm": made.p_holm,
                "scope": "B",
            }
    assert [row["pair"] for row in document["between"][:3]] == [
        "fp32 and fp32, other seed",
        "fp32 and amp-bf16, same seed",
        "fp32 and fp32, same seed again",
    ]
    for row, distance in zip(document["between"], quality.between, strict=True):
        assert (row["metric"], row["mean"], row["se"]) == (
            distance.metric,
            distance.mean.value,
            distance.mean.error.value,
        )
        assert (row["interval"], row["pairs_of_runs"]) == (list(distance.mean.interval), distance.pairs_of_runs)
    assert document["notes"] == list(quality.notes)
