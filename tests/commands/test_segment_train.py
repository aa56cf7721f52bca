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
    assert "Segmenter s.safetensors: " in " ".join(invoke(*typed).stderr.split())
    before = Path("s.safetensors").read_bytes()
    invoke(*typed)
    assert Path("s.safetensors").read_bytes() == before
    assert "of other settings or classes" in error_of(invoke(*typed, "--seed", 1))
    scored = invoke(
        *("segment", "score", "scenes", "scenes/test_img", "--segmenter", "s.safetensors"),
        *("--ignore", 255, "--device", "cpu", "--json", "-"),
    )
    assert document_of(scored)["stamp"]["segmenter"] == "trained"
