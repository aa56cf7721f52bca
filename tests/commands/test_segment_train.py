"""`p2phd-eval segment train` as a user types it, and `segment score` by what it wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2phd_eval.scenes.data_set import write_dataset
from tests.commands.command_line import document_of, error_of, invoke


def test_a_segmenter_is_trained_and_scores_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PHD_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_dataset(tmp_path / "scenes", n_train=4, n_test=3, width=48, height=32)
    typed = ("segment", "train", "scenes", "--out", "s.safetensors", "--steps", 3, "--device", "cpu")
    trained = invoke(*typed, "--json", "-")
    assert "Segmenter s.safetensors: " in " ".join(trained.stderr.split())
    document = document_of(trained)
    assert (document["file"], document["photos"], document["held_out"]["photos"]) == ("s.safetensors", 3, 1)
    assert len(document["held_out"]["iou"]) == len(document["classes"])
    before = Path("s.safetensors").read_bytes()
    invoke(*typed)
    assert Path("s.safetensors").read_bytes() == before
    assert "of other settings or classes" in error_of(invoke(*typed, "--seed", 1))
    scored = invoke(
        *("segment", "score", "scenes", "scenes/test_img", "--segmenter", "s.safetensors"),
        *("--ignore", 255, "--device", "cpu", "--json", "-"),
    )
    stamp = document_of(scored)["stamp"]
    assert (stamp["segmenter"], stamp["identity"]) == ("trained", document["sha256"])
