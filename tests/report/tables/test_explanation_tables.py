from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.folder import FolderSource
from p2phd_eval.report.tables.explanation_tables import explanation_document, explanation_tables, influence_strip
from p2phd_eval.scenes.data_set import write_dataset
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.errors.influence import fid_influence
from p2phd_eval.stats.verdicts.explanation import ClassShares, Explanation, ImageInfluence, explain_dfid


def explanation(clusters: int | None = None) -> Explanation:
    rng = np.random.default_rng(0)
    n = 40
    real, *fakes = rng.normal(size=(3, n, 5))
    share = rng.uniform(size=n)
    labels = None if clusters is None else [f"city {i % clusters:02d}" for i in range(n)]
    return explain_dfid(
        [fid_influence(real, fake) for fake in fakes],
        (-1, 1),
        SamplingDesign.paired(n, 3, labels),
        ids=[f"map {i}" for i in range(n)],
        clusters=labels,
        class_shares=ClassShares(shares=np.column_stack((share, 1 - share, 0 * share)), names=("road", "sky", "car")),
        top=3,
    )


def test_tables_hold_what_there_is() -> None:
    whole = explanation(clusters=4)
    parts, images, clusters, classes = explanation_tables(whole, "amp")
    for table in (parts, images, clusters, classes):
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert f"{whole.dfid:+.3f}" in parts.title
    assert [row[0] for row in images.rows] == [image.id for image in (*whole.upward, *whole.downward)]
    assert len(images.styles) == len(images.rows) == 6
    assert [row[0] for row in clusters.rows] == [part.name for part in whole.clusters]
    (absent,) = (row for row in classes.rows if row[0] == "car")
    assert absent[1:] == ("0.0%", "+0.000", "-", "-")
    assert len(explanation_tables(explanation(), "amp")) == 3


def test_of_many_clusters_the_ends_are_shown() -> None:
    whole = explanation(clusters=20)
    table = explanation_tables(whole, "amp")[2]
    shown = [*whole.clusters[:8], *whole.clusters[-8:]]
    assert [row[0] for row in table.rows] == [part.name for part in shown]
    assert table.notes[-1].startswith("4 clusters between")


def test_the_document_is_strict_json_of_everything() -> None:
    whole = explanation(clusters=4)
    document = json.loads(json.dumps(explanation_document(whole), allow_nan=False))
    assert document["dfid"] == whole.dfid
    assert [part["name"] for part in document["clusters"]] == [part.name for part in whole.clusters]
    assert document["upward"][0] == {
        "id": whole.upward[0].id,
        "influence": whole.upward[0].influence,
        "contribution": whole.upward[0].contribution,
    }
    assert [part["p_holm"] for part in document["classes"] if part["name"] == "car"] == [None]


def test_the_strip_shows_label_real_baseline_candidate_and_difference(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_dataset(data, n_train=3, n_test=0, width=64, height=32, seed=0)
    photos = FolderSource(data / "train_img")
    for index, image in enumerate(photos.ids):
        pixels = photos.load(index).pixels // 2
        write_png(tmp_path / "baseline" / f"{image}.png", pixels)
        write_png(tmp_path / "candidate" / f"{image}.png", pixels + np.uint8(10 * index))
    sources = [photos, FolderSource(tmp_path / "baseline"), FolderSource(tmp_path / "candidate")]
    names = ["real", "fp32", "amp"]
    worst = [ImageInfluence(id=f"scene_00000{k}", influence=0.1 * k, contribution=0.0) for k in (2, 0)]
    picture = influence_strip(worst, sources, names, FolderSource(data / "train_label"))
    # A caption of 18 above all and above each row; 4 between tiles.
    assert picture.shape == (18 + 4 + 2 * (18 + 32 + 4), 4 + 5 * (64 + 4), 3)
    first, second = 18 + 4 + 18, 18 + 4 + 18 + (18 + 32 + 4)
    np.testing.assert_array_equal(picture[first : first + 32, 72 : 72 + 64], photos.load(2).pixels)
    assert (picture[first : first + 32, 276 : 276 + 64] == 4 * 20).all()  # of the difference, amplified by 4
    assert (picture[second : second + 32, 276 : 276 + 64] == 0).all()
    plain = influence_strip(worst, sources, names, None)
    assert plain.shape == (picture.shape[0], 4 + 4 * (64 + 4), 3)
    np.testing.assert_array_equal(plain[first : first + 32, 4 : 4 + 64], photos.load(2).pixels)


def test_a_strip_needs_its_images(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.zeros((8, 8, 3), dtype=np.uint8))
    source = FolderSource(tmp_path)
    with pytest.raises(InputError, match="at least one image"):
        influence_strip([], [source] * 3, ["r", "b", "c"], None)
    missing = [ImageInfluence(id="b", influence=1.0, contribution=1.0)]
    with pytest.raises(InputError, match="the id 'b'"):
        influence_strip(missing, [source] * 3, ["r", "b", "c"], None)
