from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.features.feature_set import FeatureSet
from tests.commands.command_line import document_of, error_of, invoke, noise_folder
from tests.features.tiny_network import SPEC

TINY = ("--feature-network", SPEC, "--device", "cpu", "--workers", 0, "--no-cache")


def test_shares_are_merged_to_the_features_of_one_command(tmp_path: Path) -> None:
    photos = noise_folder(tmp_path / "photos", 7)
    one = document_of(invoke("features", photos, "--out", tmp_path / "one.npz", "--json", "-", *TINY))
    for index in range(3):
        shard = ("--shard", f"{index}/3", "--out", tmp_path / f"part-{index}.npz")
        part = document_of(invoke("features", photos, *shard, "--json", "-", *TINY))
        assert (part["shard"], part["samples"]) == (f"{index}/3", None)
    parts = sorted(tmp_path.glob("part-*.npz"))
    merged = document_of(invoke("features", "merge", *parts, "--out", tmp_path / "all.npz", "--json", "-"))
    assert {**merged, "file": one["file"]} == one
    np.testing.assert_array_equal(
        FeatureSet.load(tmp_path / "all.npz").values, FeatureSet.load(tmp_path / "one.npz").values
    )
    message = error_of(invoke("features", "merge", *parts[1:], "--out", tmp_path / "all.npz"))
    assert "expected all 3 shares of" in message
    assert "found 0/3 missing" in message
    assert "found those of a share of it" in error_of(invoke("fid", parts[0], tmp_path / "all.npz"))


def test_a_folder_called_merge_is_given_by_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(noise_folder(tmp_path / "photos", 2), tmp_path / "merge")
    monkeypatch.chdir(tmp_path)
    result = invoke("features", "./merge", "--out", "x.npz", *TINY)
    assert result.exit_code == 0, result.output
    assert len(FeatureSet.load(tmp_path / "x.npz")) == 2


def test_what_is_no_share_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    message = error_of(invoke("features", tmp_path / "none", "--out", tmp_path / "x.npz", "--shard", "8/8"))
    assert "--shard 8/8: expected one of 0/8 to 7/8, found 8." in message
