"""`cache` as a user types it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.features.cache.entry import FeatureKey
from p2phd_eval.features.cache.store import FeatureCache
from p2phd_eval.features.identity import NetworkIdentity
from p2phd_eval.stores.object_cache import object_digest, put_part
from p2phd_eval.stores.object_store import ObjectState
from tests.commands.command_line import document_of, invoke
from tests.features.feature_sets import feature_set


def test_the_cache_is_listed_and_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PHD_EVAL_CACHE", str(tmp_path))
    empty = document_of(invoke("cache", "list", "--json", "-"))
    assert (empty["entries"], empty["size"]) == ([], 0)
    assert not list(tmp_path.iterdir())  # looking makes no folders
    assert put_part(object_digest("s3://bucket/a.png", ObjectState(4, "v"), ""), 0, b"abcd")

    features = feature_set(np.zeros((5, 6)), source="photos of today")
    cache = FeatureCache()
    keys = [
        FeatureKey(
            identity=NetworkIdentity(weights="test", weights_sha256="0" * 64, resize="clean", dims=6, dtype="float32"),
            images_sha256=letter * 64,
        )
        for letter in "ab"
    ]
    for key in keys:
        cache.put(key, features)
    size = sum(path.stat().st_size for path in (tmp_path / "features").rglob("*") if path.is_file())
    document = document_of(invoke("cache", "list", "--json", "-"))
    assert document["size"] == size
    assert (document["objects"]["parts"], document["objects"]["limit"]) == (1, 20_000_000_000)
    assert [(entry["source"], entry["n"], entry["dims"]) for entry in document["entries"]] == [
        ("photos of today", 5, 6)
    ] * 2
    assert "photos of today\t5\ttest\tlegacy-pytorch\t6\tfloat32\t" in invoke("cache", "list").stdout

    counts = tmp_path / "segmentation" / "one.npz"
    counts.parent.mkdir()
    counts.touch()
    with cache.locked(keys[0]):
        result = invoke("cache", "clear")
    assert f"feature sets removed from {cache.folder}: 1, " in result.stderr
    assert "in use by other processes, and kept: 1" in result.stderr
    assert "counts of segmented photos removed" in result.stderr
    assert not counts.exists()
    document = document_of(invoke("cache", "clear", "--json", "-"))
    assert (document["removed"], document["freed"], document["in_use"]) == (1, size / 2, 0)
    assert not list((tmp_path / "features").iterdir())
    assert document_of(invoke("cache", "list", "--json", "-"))["objects"]["size"] == 0
