"""`metrics` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.command_line import SMALL_FEATURES, document_of, invoke, noise_folder


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
