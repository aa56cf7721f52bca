"""`metrics` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.command_line import SMALL_FEATURES, document_of, error_of, invoke, noise_folder
from tests.features.networks.tiny_clip import write_tiny_clip


@pytest.mark.usefixtures("inception_weights")
def test_metrics_of_two_sets(tmp_path: Path) -> None:
    real, fake = noise_folder(tmp_path / "real", 9), noise_folder(tmp_path / "fake", 9, seed=1)
    arguments = ("metrics", real, fake, *SMALL_FEATURES)
    document = document_of(invoke(*arguments, "--json", "-"))
    expected = document_of(invoke("fid", real, fake, *SMALL_FEATURES, "--replicates", 10, "--json", "-"))
    assert document["fid"] == expected["fid"]
    plain = invoke(*arguments).stdout
    for name in (
        "KID",
        "FID-infinity",
        "FID of the distributions",
        "precision (k = 3)",
        "recall",
        "density",
        "coverage",
    ):
        assert name in plain
    assert invoke(*arguments, "--seed", 1).stdout != plain
    assert invoke(*arguments).stdout == plain


def test_cmmd_of_two_sets_in_clips_space(tmp_path: Path) -> None:
    real, fake = noise_folder(tmp_path / "real", 9), noise_folder(tmp_path / "fake", 9, seed=1)
    clip = write_tiny_clip(tmp_path / "clip")
    space = ("--feature-network", "clip", "--feature-weights", clip, "--device", "cpu", "--workers", 0)
    document = document_of(invoke("metrics", real, fake, *space, "--json", "-"))
    assert document["stamp"]["real"]["weights"] == "CLIP ViT-2x32/14@56px"
    assert document["cmmd"]["se"] > 0
    compared = document_of(
        invoke("compare", real, fake, real, *space, "--judge", "cmmd", "--margin", "50%", "--json", "-")
    )
    (candidate,) = compared["candidates"]
    measured = {each["estimand"]: each for each in candidate["measured"]}
    # The candidate is the real images themselves: only the baseline's part is left of the difference.
    assert measured["cmmd"]["baseline_runs"] == pytest.approx([document["cmmd"]["value"]], rel=1e-3)
    assert "--judge cmmd: expected features of CLIP" in error_of(
        invoke("compare", real, fake, real, "--judge", "cmmd", "--device", "cpu")
    )
