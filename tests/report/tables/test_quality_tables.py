"""The document and the tables of the per-image quality."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.quality.run_quality import quality_of_runs
from p2phd_eval.report.tables.quality_tables import QualityRun, measure_quality, quality_document, quality_tables
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


def test_the_document_holds_every_number_as_json(weights: Path) -> None:
    quality = quality_of_runs(PHOTOS, RUNS, baseline="fp32", lpips_weights=weights)
    document = quality_document(quality)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document == measure_quality(PHOTOS, RUNS, baseline="fp32", lpips_weights=weights)
    assert list(document) == ["metrics", "to_photo", "between", "notes"]
    assert document["metrics"][1] == {"name": "PSNR", "unit": "dB", "better": "higher", "network": None}
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


def test_tables_show_all_rows_of_the_document(weights: Path) -> None:
    document = measure_quality(PHOTOS, RUNS, baseline="fp32", lpips_weights=weights)
    to_photo, between = quality_tables(json.loads(json.dumps(document)))
    for table, rows in ((to_photo, document["to_photo"]), (between, document["between"])):
        assert len(table.rows) == len(rows)
        for cells, row in zip(table.rows, rows, strict=True):
            assert len(cells) == len(table.columns)
            assert cells[0].startswith(row["metric"])
            assert cells[2] == f"{row['mean']:.4g}"
    assert to_photo.rows[0][4:] == ("-",) * 4
    assert to_photo.rows[1][-1] == "B"
    assert to_photo.rows[2][0] == "PSNR (dB, higher is better)"
    assert to_photo.notes == tuple(document["notes"])


def test_a_single_run_has_one_table(weights: Path) -> None:
    document = measure_quality(PHOTOS, RUNS[:1], baseline="fp32", lpips_weights=weights)
    (table,) = quality_tables(document)
    assert [cells[1] for cells in table.rows] == ["fp32"] * 3
