"""benchmarks/gpu.py is rehearsed here, stage by stage, so that nothing of it is tried first on a GPU."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from p2phd_eval.features.weights.index import WeightsFile
from p2phd_eval.generators.training.precision import PRECISIONS
from p2phd_eval.presets import configure
from tests.bench.checkout import write_checkout

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MODULES = ("gpu_stages", "gpu_candidates", "step_candidates", "gpu_record", "gpu_tables", "measuring")

# Calls of minutes where other tests share the cores.
pytestmark = pytest.mark.timeout(900)

Document = dict[str, Any]


def start(out: Path, *arguments: object) -> subprocess.Popen[str]:
    options = ("--rehearse", "--out", out, "--minutes", 60, *arguments)
    return subprocess.Popen(
        [sys.executable, str(BENCHMARKS / "gpu.py"), *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def run(out: Path, *arguments: object) -> Document:
    with start(out, *arguments) as process:
        said = process.communicate()[0]
    assert process.returncode == 0, said
    return read(out)


def cut(out: Path, reached: Callable[[], bool], *arguments: object) -> Document:
    """Start it, and end it by SIGTERM as soon as it has come so far."""
    with start(out, *arguments) as process:
        while not reached() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        said = process.communicate()[0]
    assert process.returncode == 128 + signal.SIGTERM, said
    return read(out)


def read(out: Path) -> Document:
    found: Document = json.loads((out / "gpu.json").read_text()) if (out / "gpu.json").exists() else {"stages": {}}
    return found


def rows(document: Document, stage: str) -> dict[str, Any]:
    found: dict[str, Any] = document["stages"].get(stage, {"rows": {}})["rows"]
    return found


@pytest.fixture(scope="module")
def calls(
    finished_study: Path, inception_weights: WeightsFile, tmp_path_factory: pytest.TempPathFactory
) -> list[Document]:
    """What stands there after a call that is cut, one whose checkout of the original is none, and one with a good one.

    The study is one that the suite has made, and goes on.
    """
    folder = tmp_path_factory.mktemp("gpu")
    out = folder / "out"
    shutil.copytree(finished_study, out / "work" / "study")
    weights = ("--feature-weights", inception_weights.path)
    (folder / "none").mkdir()
    return [
        cut(out, lambda: bool(rows(read(out), "bench")), "--stages", "tests,bench", *weights),
        run(out, "--original", folder / "none", *weights),
        run(out, "--original", write_checkout(folder / "original"), *weights),
    ]


def test_a_call_that_was_cut_goes_on(calls: list[Document]) -> None:
    first, second, _ = calls
    assert (first["stages"]["tests"]["state"], first["stages"]["bench"]["state"]) == ("done", "cut")
    measured = rows(first, "bench")
    assert 0 < len(measured) < len(rows(second, "bench"))
    assert {name: rows(second, "bench")[name] for name in measured} == measured
    assert rows(second, "tests") == rows(first, "tests")


def test_a_stage_that_fails_is_told_and_the_next_goes_on(calls: list[Document]) -> None:
    _, second, third = calls
    assert second["stages"]["original"]["state"] == "failed"
    assert all("InputError: --against" in row["traceback"] for row in rows(second, "original").values())
    assert second["stages"]["features"]["state"] == "done"
    # What failed is tried again, and nothing else.
    assert third["stages"]["original"]["state"] == "done"
    for name in ("tests", "bench", "features", "study", "candidates", "estimates"):
        assert third["stages"][name] == second["stages"][name]


def test_every_stage_is_rehearsed(calls: list[Document], tmp_path_factory: pytest.TempPathFactory) -> None:
    document = calls[-1]
    assert {name: stage["state"] for name, stage in document["stages"].items()} == dict.fromkeys(
        ("tests", "bench", "original", "features", "study", "candidates", "estimates"), "done"
    )
    outcome = "passed" if torch.cuda.is_available() else "skipped"
    assert {row["outcome"] for row in rows(document, "tests").values()} <= {outcome, "skipped"}
    assert any("test_cuda.py" in name for name in rows(document, "tests"))
    for preset in ("512p", "1024p"):
        assert rows(document, "bench")[f"{preset}, amp-bf16, batch 1"]["rows"][0]["images_per_second"] > 0
        assert rows(document, "estimates")[f"{preset}, fp32, batch 1"]["bytes"] > 0
    variants = {row["variant"] for row in rows(document, "original")["512p, batch 2"]["rows"]}
    assert variants == {"original", "plain"}
    assert set(rows(document, "features")) == {
        *("Inception, fp32", "Inception, bf16"),
        *("moments", "Fréchet distance"),
    }
    assert rows(document, "features")["Inception, bf16"]["relative_difference"] < 0.1
    (study,) = rows(document, "study").values()
    assert len(study["runs"]) == 5
    assert all(run["fid"] > 0 for run in study["runs"].values())
    candidates = rows(document, "candidates")
    for name in ("plain again", "graph of the step"):  # on a CPU neither is another computation
        assert candidates[f"512p, fp32, {name}"]["loss_differences"] == [0.0, 0.0]
    assert max(candidates["512p, fp32, padded"]["loss_differences"]) < 1e-5
    assert candidates["512p, fp32, padded, launches"]["operators"] > 0


def test_a_study_is_begun_and_cut(inception_weights: WeightsFile, tmp_path: Path) -> None:
    """Its epochs are chosen, and its plan and configuration taken."""
    study = tmp_path / "work" / "study"
    weights = ("--feature-weights", inception_weights.path)
    document = cut(tmp_path, (study / "analysis" / "bench.json").exists, "--stages", "study", *weights)
    assert document["stages"]["study"]["state"] == "cut"
    assert "traceback" not in document["stages"]["study"]


def test_without_time_everything_is_left_out_with_a_reason(inception_weights: WeightsFile, tmp_path: Path) -> None:
    document = run(tmp_path, "--minutes", 0, "--feature-weights", inception_weights.path)
    stages = document["stages"]
    assert {stage["state"] for stage in stages.values()} == {"skipped"}
    assert stages["original"]["note"] == "without --original there is nothing to do"
    assert {stage["note"] for name, stage in stages.items() if name != "original"} == {"0 s are left"}
    assert "| bench | skipped | - | 0 s are left |" in (tmp_path / "gpu.md").read_text()


def measured(batch: int, peak: int) -> dict[str, Any]:
    row = {"precision": "fp32", "batch_size": batch, "variant": "plain", "seconds_median": 0.5, "data_wait": 0.0}
    values = {**row, "images_per_second": 2.0 * batch, "peak_memory_bytes": peak}
    return {"preset": "512p", "input": {"width": 1024, "height": 512}, "rows": [values], "largest": []}


def test_memory_stands_in_the_table_of_a_gpu(stages: ModuleType) -> None:
    """A rehearsal has none."""
    tables, gib = sys.modules["gpu_tables"], 2**30
    largest = {**measured(1, 5 * gib), "largest": [{"precision": "fp32", "batch_size": 23, "reason": "out of memory"}]}
    bench = {"a": measured(1, 5 * gib), "b": measured(2, 9 * gib), "c": largest}
    estimates = {"512p, fp32, batch 2": {"bytes": 8 * gib}}
    found = tables.steps({"rows": bench}, {"rows": estimates}, 100 * gib)
    text = "\n".join(found)
    assert "| fp32 | 2 | 0.5000 | 4.00 | 2.00 | - | 9.00 | 8.00 | 0.0% |" in text
    assert "| fp32 | 24 | 23 | out of memory |" in text


@pytest.fixture(scope="module")
def stages() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("gpu_stages")
    for name in MODULES:
        sys.modules.pop(name, None)


def test_the_full_sizes_are_what_bench_and_study_take(stages: ModuleType, scenes: Path) -> None:
    full = stages.FULL
    assert set(full.precisions) <= set(PRECISIONS)
    assert set(full.arms.split(",")) <= set(PRECISIONS)
    assert all(epochs % 2 == 0 for epochs in full.epochs)
    assert configure(scenes, "512p", **full.study).generator.ngf == 32
    asked = [name for name, _, _ in stages.bench_rows(full)]
    assert asked[0] == "512p, fp32, batch 1"
    assert len(asked) == len(set(asked))


def test_candidates_are_each_measured_once_and_those_that_compile_late(stages: ModuleType) -> None:
    candidates = importlib.import_module("gpu_candidates")
    found = list(candidates.candidate_rows(candidates.FULL))
    assert len({row.name for row in found}) == len(found) == 2 * 4 * 9
    assert {row.precision for row in found} <= set(PRECISIONS)
    assert [row.name for row in found[:2]] == ["512p, amp-fp16, plain again", "512p, amp-fp16, padded"]
    assert found[-1].name == "1024p, fp32, compile"


def test_tests_that_need_a_gpu_bear_the_mark() -> None:
    """By which they are found."""
    tests = BENCHMARKS.parent / "tests"
    others = [path for path in tests.rglob("test_*.py") if "skipif(not torch.cuda" in path.read_text()]
    assert [path for path in others if path != Path(__file__)] == []
