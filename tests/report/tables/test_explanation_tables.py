from __future__ import annotations

import json

import msgspec
import numpy as np

from p2phd_eval.report.tables.explanation_tables import explanation_tables
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.errors.influence import fid_influence
from p2phd_eval.stats.verdicts.explanation import ClassShares, Explanation, explain_dfid


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
    assert absent[1:] == ("0.0%", "0.000", "-", "-")
    assert len(explanation_tables(explanation(), "amp")) == 3
    of_conditions = explanation_tables(whole, "amp", "condition")[1]
    assert (of_conditions.title, of_conditions.columns[0]) == (
        "Conditions with the largest influence on dFID of amp",
        "condition",
    )


def test_of_many_clusters_the_ends_are_shown() -> None:
    whole = explanation(clusters=20)
    table = explanation_tables(whole, "amp")[2]
    shown = [*whole.clusters[:8], *whole.clusters[-8:]]
    assert [row[0] for row in table.rows] == [part.name for part in shown]
    assert table.notes[-1].startswith("4 clusters between")


def test_the_document_is_strict_json_of_everything() -> None:
    whole = explanation(clusters=4)
    document = json.loads(json.dumps(msgspec.to_builtins(whole), allow_nan=False))
    assert document["dfid"] == whole.dfid
    assert [part["name"] for part in document["clusters"]] == [part.name for part in whole.clusters]
    assert document["upward"][0] == {
        "id": whole.upward[0].id,
        "influence": whole.upward[0].influence,
        "contribution": whole.upward[0].contribution,
    }
    assert [part["p_holm"] for part in document["classes"] if part["name"] == "car"] == [None]
