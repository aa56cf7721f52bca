"""`p2phd-eval segment score` as a user types it: the document, tables, and what cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.segment_documents import SegmentDocument
from tests.commands.command_line import document_of, error_of, invoke
from tests.documentation import documented_keys
from tests.segmentation.colour_scenes import CLASSES, write_samples, write_scenes

SEGMENTER = ("--segmenter", "tests.segmentation.colour_scenes:build", "--device", "cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_scenes(tmp_path_factory.mktemp("scenes"), 8)
    for name, noise in (("fp32", 60), ("amp", 60), ("worse", 90)):
        write_samples(root, root / name, noise, seed=len(name))
    return root


@pytest.fixture(autouse=True)
def at(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PHD_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(data)


def test_the_document_holds_what_the_tables_show(tmp_path: Path) -> None:
    typed = ("segment", "score", ".", "fp32", "amp", "worse", *SEGMENTER, "--ignore", 255, "--margin", 5)
    document = document_of(invoke(*typed, "--json", "-"))
    assert set(document) == documented_keys("segment score")
    assert set(document["arms"][1]) == documented_keys("An arm of segment score")
    assert [each["name"] for each in document["classes"]] == list(CLASSES)
    assert [each["name"] for each in document["arms"]] == ["fp32", "amp", "worse"]
    verdict = document["verdicts"][1]
    assert set(verdict) == documented_keys("A verdict of segment score")
    assert verdict["verdict"] == "worse"
    assert verdict["sentence"].startswith("worse, these checkpoints (scope A): materially worse in mean IoU")
    file = tmp_path / "scores.json"
    again = invoke(*typed, "--json", file, "--picture", tmp_path / "worst.png")
    assert json.loads(file.read_text()) == document
    assert read_document(file, SegmentDocument).judge.value == "mean-iou"
    assert "IoU by class" in again.stdout
    assert "the real photos" in again.stdout
    assert (tmp_path / "worst.png").is_file()


def test_one_arm_has_scores_and_no_verdict() -> None:
    document = document_of(
        invoke(
            "segment",
            "score",
            "test_label",
            "fp32",
            *SEGMENTER,
            "--ignore",
            255,
            "--judge",
            "pixel-accuracy",
            "--json",
            "-",
        )
    )
    assert (document["verdicts"], document["arms"][0]["name"]) == ([], "fp32")
    assert document["real"]["scores"]["pixel-accuracy"]["value"] > 99


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((*SEGMENTER,), "expected class numbers that the segmenter knows, found 255"),
        ((*SEGMENTER, "--ignore", 70000), "--ignore: expected a whole number from 0"),
        ((*SEGMENTER, "--ignore", 255, "--margin", 200), "--margin: expected percentage points"),
        ((*SEGMENTER, "--ignore", 255, "--margin", "seeds"), "two or more training seeds of the baseline"),
        ((*SEGMENTER, "--ignore", 255, "--photos", "none"), "none: expected a folder"),
        ((*SEGMENTER, "--class-map", "none.toml"), "none.toml: expected a class map"),
        (("--segmenter", "nothing"), "--segmenter nothing: expected"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(options: tuple[object, ...], words: str) -> None:
    assert words in error_of(invoke("segment", "score", ".", "fp32", "amp", *options))


def test_without_samples_its_own_examples_are_shown() -> None:
    said = error_of(invoke("segment", "score", ".", *SEGMENTER))
    assert "p2phd-eval segment score LABELS" in said
    assert "compare" not in said.replace("or compare one run", "")
