"""`encode` as a user types it."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.commands.command_line import TRAIN_OPTIONS, document_of, error_of, invoke


def test_features_are_clustered_drawn_from_and_precomputed(scenes: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(scenes, tmp_path / "data"))
    run = tmp_path / "run"
    features = ("--features", "instance", "--nef", "4", "--n-downsample-e", "2")
    result = invoke("train", data, "--out", run, "--device", "cpu", *TRAIN_OPTIONS, *features)
    assert result.exit_code == 0, result.output
    arguments = ("generate", run, data, "--out", tmp_path / "samples", "--device", "cpu")
    assert f"Make them: p2phd-eval encode cluster {run} {data}" in error_of(invoke(*arguments))

    command = ("encode", "cluster", run, data, "--clusters", 2, "--device", "cpu")
    document = document_of(invoke(*command, "--json", "-"))
    assert document["file"] == str(run / "clusters.npz")
    assert {row["clusters"] for row in document["classes"]} <= {1, 2}
    plain = invoke(*command)
    for row in document["classes"]:
        assert f"\n{row['class']}\t{row['regions']}\t{row['clusters']}\n" in plain.stdout

    samples = document_of(invoke(*arguments, "--json", "-"))
    assert (samples["written"], samples["manifest"]["style"]) == (4, "clusters")
    assert "found images with another style" in error_of(invoke(*arguments, "--style", "photo"))
    checkpoint = run / "checkpoints" / "latest.pt"
    message = error_of(invoke("encode", "cluster", checkpoint, data, "--device", "cpu"))
    assert f"--out: expected a file, since {checkpoint} is no run folder" in message

    command = ("encode", "precompute", run, data, "--device", "cpu", "--json", "-")
    assert (document_of(invoke(*command))["written"], document_of(invoke(*command))["kept"]) == (4, 4)
    second = ("--out", tmp_path / "second", "--load-pretrain", run, "--load-features")
    result = invoke("train", data, "--device", "cpu", *TRAIN_OPTIONS, *features, *second)
    assert result.exit_code == 0, result.output
