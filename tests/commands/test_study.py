"""A real study by the command: finished, gone on with, killed, and reported."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.commands.command_line import document_of, error_of, invoke
from tests.finished_study import OPTIONS, start_study


def make(*arguments: object, code: int = 0) -> str:
    """Make a study, or go on with one, and return what it printed beside the tables; its runs are processes.

    Those write to the terminal by themselves, which here is pytest's `capfd`.
    """
    result = invoke("study", *arguments, "--device", "cpu")
    assert result.exit_code == code, result.output
    return result.stderr


def report_of(study: Path) -> dict[str, Any]:
    return json.loads((study / "report.json").read_text())  # type: ignore[no-any-return]


def without_times(study: Path) -> tuple[dict[str, Any], str]:
    """The report's document and page, but for what was measured with a clock."""
    report = report_of(study)
    del report["speed"]
    page, cut = re.subn(r'<section id="speed".*?</section>', "", (study / "report.html").read_text(), flags=re.DOTALL)
    assert cut == 1
    return report, page


def test_a_study_makes_everything_that_it_promises(finished_study: Path) -> None:
    report = report_of(finished_study)
    names = ["fp32-s0", "amp-bf16-s0", "fp32-s1", "amp-bf16-s1", "fp32-s0-repeat"]
    assert [run["name"] for run in report["runs"]] == names
    for run in report["runs"]:
        assert (run["status"], run["why"], run["steps"]) == ("finished", None, 12)
        assert (finished_study / run["folder"] / "checkpoints" / "latest.pt").exists()
        assert list(run["samples"]) == (["fp32"] if run["repeat"] else ["fp32", "amp-bf16"])
        for folder in run["samples"].values():
            assert len(list((finished_study / folder).glob("*.png"))) == 8
    (verdict,) = report["verdicts"]
    assert (verdict["arm"], verdict["scope"], verdict["runs"], verdict["failed"]) == ("amp-bf16", "B", 2, 0)
    assert verdict["sentence"].startswith("amp-bf16, the recipe (scope B): ")
    assert report["notes"][0] == "No block FID: its reference takes more than 32 training photos, and there are 6."
    assert [each["arm"] for each in report["comparisons"]["sampling"]] == ["fp32", "amp-bf16"]
    assert {each["document"]["scope"] for each in report["comparisons"]["sampling"]} == {"A"}
    assert {row["precision"] for row in report["speed"]["bench"]["rows"]} == {"fp32", "amp-bf16"}
    for name in ("report.html", "report.md", "study.json"):
        assert (finished_study / name).stat().st_size > 500


def test_the_same_seed_gives_the_same_bits_on_a_cpu_and_another_does_not(finished_study: Path) -> None:
    runs = {run["name"]: run for run in report_of(finished_study)["runs"]}
    assert runs["fp32-s0"]["fid"] == runs["fp32-s0-repeat"]["fid"]
    assert runs["fp32-s0"]["fid"] != runs["fp32-s1"]["fid"]
    repeat = report_of(finished_study)["comparisons"]["repeat"]
    assert repeat["candidates"][0]["dfid"] == 0


def test_the_reports_numbers_are_those_of_compare(finished_study: Path, study_data: Path) -> None:
    """To the last digit, by the arms as a user would name them and as their manifests say."""
    by_arm = [
        [finished_study / "runs" / f"{arm}-s{seed}" / "samples" / "fp32" for seed in (0, 1)]
        for arm in ("fp32", "amp-bf16")
    ]
    ours = report_of(finished_study)["comparisons"]["training"]
    for folders in (
        ("--baseline", f"fp32={by_arm[0][0]}", by_arm[0][1], "--candidate", f"amp-bf16={by_arm[1][0]}", by_arm[1][1]),
        ("--baseline", *by_arm[0], "--candidate", *by_arm[1]),
    ):
        options = ("--margin", "10%", "--explain", "--labels", study_data / "test_label", "--device", "cpu")
        theirs = document_of(invoke("compare", study_data / "test_img", *folders, *options, "--json", "-"))
        entry, other = ours["candidates"][0], theirs["candidates"][0]
        for key in ("verdict", "sentence", "test", "margin", "companion", "measured", "explanation", "components"):
            assert entry[key] == other[key], key
        assert [run["fid"] for run in ours["baseline"]["runs"]] == [run["fid"] for run in theirs["baseline"]["runs"]]


def test_the_gates_numbers_are_those_of_the_report(finished_study: Path) -> None:
    result = invoke("gate", finished_study / "report.json", "--require", "not-worse", "--max-dfid", 1, "--json", "-")
    assert result.exit_code == 1  # two seeds of a few steps show nothing
    entry = report_of(finished_study)["verdicts"][0]
    assert entry["sentence"].startswith("amp-bf16, the recipe (scope B): inconclusive")
    assert all(repr(value) in result.stdout for value in entry["interval"])


def test_compare_finds_the_arms_of_a_study_in_its_runs(finished_study: Path, study_data: Path) -> None:
    found = document_of(
        invoke("compare", study_data / "test_img", "--runs", finished_study, "--device", "cpu", "--json", "-")
    )
    assert len(found["baseline"]["runs"]) == 2
    assert len(found["candidates"]) == 3  # amp-bf16, and both generated in reduced precision


def test_nothing_finished_is_made_again(finished_study: Path, tmp_path: Path) -> None:
    study = shutil.copytree(finished_study, tmp_path / "study")
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*") if path.suffix in (".pt", ".png", ".npz")}
    notes = make("--out", study)
    assert "run 1 of" not in notes
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert without_times(study) == without_times(finished_study)


def test_what_is_changed_or_gone_is_made_again_and_what_rests_on_it(finished_study: Path, tmp_path: Path) -> None:
    """By content: an image of the same size and time, but other pixels, is not the one that was made."""
    study = shutil.copytree(finished_study, tmp_path / "study")
    folder = study / "runs" / "amp-bf16-s1" / "samples" / "fp32"
    image = sorted(folder.glob("*.png"))[3]
    other = sorted(folder.glob("*.png"))[4]
    right = image.read_bytes()
    image.write_bytes(other.read_bytes())
    (study / "features" / "fp32-s0@amp-bf16.npz").unlink()
    notes = make("--out", study)
    assert re.findall(r"run \d of 5: (\S+)", notes) == ["fp32-s0", "amp-bf16-s1"]
    assert image.read_bytes() == right
    assert without_times(study) == without_times(finished_study)


def test_a_checkpoint_that_was_changed_is_refused(
    finished_study: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    study = shutil.copytree(finished_study, tmp_path / "study")
    shutil.copy(
        study / "runs" / "fp32-s1" / "checkpoints" / "latest.pt",
        study / "runs" / "fp32-s0" / "checkpoints" / "latest.pt",
    )
    make("--out", study, code=2)
    notes = capfd.readouterr().err
    assert "expected the checkpoint that the study recorded, found another one" in notes


def test_images_of_other_label_maps_are_refused(
    finished_study: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """They came into a run's folder before the study knew it: they would be part of its FID."""
    study = shutil.copytree(finished_study, tmp_path / "study")
    folder = study / "runs" / "fp32-s0" / "samples" / "fp32"
    next(folder.glob("*.png")).rename(folder / "street_1.png")
    (study / "records" / "fp32-s0" / "generate-fp32.json").unlink()
    make("--out", study, code=2)
    notes = capfd.readouterr().err
    assert "expected an image for each of the 8 label maps" in notes
    assert "found 1 that differ: street_1" in notes


def test_killed_at_a_random_moment_it_gives_the_same_report(
    finished_study: Path, tmp_path: Path, chance: random.Random
) -> None:
    """The parent is killed outright; the run that it leaves behind ends by itself, and the next call goes on.

    `benchmarks/kills.py` does it many times, from the beginning of a study on.
    """
    study = shutil.copytree(finished_study, tmp_path / "study")
    for folder in ("runs", "records"):
        shutil.rmtree(study / folder / "amp-bf16-s1")
    process = start_study("--out", study)
    time.sleep(chance.uniform(3, 10))
    process.kill()
    process.communicate()
    make("--out", study)
    (found, page), (wanted, wanted_page) = without_times(study), without_times(finished_study)
    assert found == wanted
    assert page == wanted_page


def test_a_diverged_run_is_an_outcome_and_the_report_counts_it(finished_study: Path, tmp_path: Path) -> None:
    """Of the baseline and of the candidate: each once, by what a run writes when its loss is no number."""
    study = shutil.copytree(finished_study, tmp_path / "study")
    failure = {"status": "diverged", "why": "loss G_GAN at step 3: nan"}
    (study / "runs" / "amp-bf16-s0" / "outcome.json").write_text(json.dumps(failure))
    make("--out", study)
    report = report_of(study)
    (verdict,) = report["verdicts"]
    assert (verdict["failed"], verdict["scope"]) == (1, "A")  # one run is left, which is no sample of seeds
    assert "1 of 2 runs failed (diverged)" in verdict["sentence"]
    assert verdict["verdict"] in ("inconclusive", "worse")
    assert "nan" in (study / "report.html").read_text()


def test_a_real_divergence_ends_its_run_and_not_the_study(study_data: Path, tmp_path: Path) -> None:
    options = [*OPTIONS, "--seeds", "1", "--no-repeat", "--lr", "1e30"]
    make(study_data, "--out", tmp_path / "study", *options)
    report = report_of(tmp_path / "study")
    assert {run["status"] for run in report["runs"]} == {"diverged"}
    assert all(re.search("loss|sample", run["why"]) for run in report["runs"])
    (verdict,) = report["verdicts"]
    assert (verdict["verdict"], report["comparisons"]["training"]) == ("inconclusive", None)


def kill_first_run() -> None:
    """Wait for the first run that this process starts, and kill it."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        for children in Path("/proc/self/task").glob("*/children"):
            # Threads and processes come and go.
            with contextlib.suppress(OSError):
                for pid in children.read_text().split():
                    if b"--run" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        os.kill(int(pid), signal.SIGKILL)
                        return
        time.sleep(0.02)
    raise AssertionError("no run was started")


def test_a_run_that_the_system_kills_is_an_outcome_and_is_tried_again(finished_study: Path, tmp_path: Path) -> None:
    """As the kernel does where memory is short: SIGKILL, to the run alone. Its FID over epochs is there in the end."""
    study = shutil.copytree(finished_study, tmp_path / "study")
    plan = json.loads((study / "study.json").read_text())
    plan["base"]["validate_every"] = 1  # as if the study had been begun with it
    (study / "study.json").write_text(json.dumps(plan))
    for folder in ("runs", "records"):
        shutil.rmtree(study / folder / "amp-bf16-s1")
    with ThreadPoolExecutor(1) as beside:
        killed = beside.submit(kill_first_run)
        notes = make("--out", study, "--track", "tensorboard")
        killed.result()
    assert "SIGKILL" in notes
    report = report_of(study)
    assert [run["status"] for run in report["runs"]] == ["finished"] * 3 + ["killed", "finished"]
    assert report["verdicts"][0]["failed"] == 1
    make("--out", study, "--track", "tensorboard")
    assert list((study / "runs" / "amp-bf16-s1" / "tensorboard").iterdir())
    report, before = report_of(study), report_of(finished_study)
    assert [run["status"] for run in report["runs"]] == ["finished"] * 5
    assert [run["fid"] for run in report["runs"]] == [run["fid"] for run in before["runs"]]
    assert report["verdicts"] == before["verdicts"]
    over_epochs = {name: curve["fid"] for name, curve in report["curves"].items() if curve["fid"] is not None}
    assert list(over_epochs) == ["amp-bf16-s1"]
    found = over_epochs["amp-bf16-s1"]
    assert (found["epoch"], found["step"], found["n"]) == ([1, 2], [6, 12], 8)
    assert found["fid"][-1] == pytest.approx(report["runs"][3]["fid"], rel=1e-6)  # of the same checkpoint and images
    assert "FID@8 over epochs" in (study / "report.md").read_text()


def test_more_seeds_go_on_with_a_study_and_keep_what_there_is(finished_study: Path, tmp_path: Path) -> None:
    study = shutil.copytree(finished_study, tmp_path / "study")
    planned = invoke("study", "--out", study, "--seeds", "3", "--dry-run", "--json", "-")
    assert "fp32\t4" in planned.stderr  # with the repeat
    assert document_of(planned)["arms"][0]["runs"] == 4
    assert report_of(study) == report_of(finished_study)


def test_other_precisions_of_generation_join_what_there_is(finished_study: Path, tmp_path: Path) -> None:
    """Of the baseline's checkpoints alone, side by side, and nothing is trained again."""
    study = shutil.copytree(finished_study, tmp_path / "study")
    notes = make("--out", study, "--generation", "amp-bf16,onnx-int8", "--jobs", "2")
    assert re.findall(r"run \d of 5: (\S+),", notes) == ["fp32-s0", "fp32-s1"]
    report, before = report_of(study), report_of(finished_study)
    assert [run["checkpoint_sha256"] for run in report["runs"]] == [run["checkpoint_sha256"] for run in before["runs"]]
    (generated,) = report["comparisons"]["sampling"]
    names = [f"fp32, generated in {precision}" for precision in ("amp-bf16", "onnx-int8")]
    assert [each["name"] for each in generated["document"]["candidates"]] == names
    assert all(0 < abs(each["dfid"]) < 50 for each in generated["document"]["candidates"])
    table = invoke("report", study).stdout
    assert all(name in table for name in names)
    assert all((study / "report.html").read_text().count(name) > 2 for name in names)


def test_one_arm_is_judged_by_the_ways_in_which_it_generates(finished_study: Path, tmp_path: Path) -> None:
    study = shutil.copytree(finished_study, tmp_path / "study")
    plan = json.loads((study / "study.json").read_text())
    (study / "study.json").write_text(json.dumps({**plan, "arms": ["fp32"], "generation": ["amp-bf16"]}))
    assert "run 1 of" not in make("--out", study)
    report, before = report_of(study), report_of(finished_study)
    (verdict,) = report["verdicts"]
    (generated,) = (each["document"] for each in before["comparisons"]["sampling"] if each["arm"] == "fp32")
    (candidate,) = generated["candidates"]
    assert (verdict["arm"], verdict["scope"]) == ("fp32, generated in amp-bf16", "A")
    for key in ("verdict", "sentence", "margin"):
        assert verdict[key] == candidate[key], key
    (row,) = document_of(invoke("gate", study / "report.json", "--require", "not-worse", "--json", "-"))["results"]
    assert (row["arm"], row["holds"]) == (verdict["arm"], True)
    message = error_of(invoke("study", "--out", study, "--edits", tmp_path / "edits.txt", "--device", "cpu"))
    assert "expected a baseline and one candidate or more, whose edits are compared, found fp32" in message


def test_report_writes_the_same_again_without_computing(finished_study: Path, tmp_path: Path) -> None:
    study = shutil.copytree(finished_study, tmp_path / "study")
    for name in ("report.html", "report.json", "report.md"):
        (study / name).unlink()
    shutil.rmtree(study / "features")  # nothing is computed from them again
    assert invoke("report", study).exit_code == 0
    assert without_times(study) == without_times(finished_study)
    assert (study / "report.md").read_text() == (finished_study / "report.md").read_text()


def test_a_missing_run_is_named(finished_study: Path, tmp_path: Path) -> None:
    study = shutil.copytree(finished_study, tmp_path / "study")
    shutil.rmtree(study / "runs" / "fp32-s1")
    message = error_of(invoke("report", study))
    assert "fp32-s1: expected a run that has ended, found no such folder" in message
    assert f"p2phd-eval study --out {study}" in message


def test_a_study_folder_of_another_configuration_is_refused(finished_study: Path, study_data: Path) -> None:
    message = error_of(invoke("study", study_data, "--out", finished_study, *OPTIONS, "--ngf", "8"))
    assert "config key 'generator.ngf': expected 4 as the study began, found 8" in message
    message = error_of(invoke("study", "--out", finished_study, "--ngf", "4"))
    assert "--ngf: expected DATA before it" in message


def test_an_unknown_arm_and_no_study_at_all(study_data: Path, tmp_path: Path) -> None:
    assert "--arms: expected precisions of" in error_of(
        invoke("study", study_data, "--out", tmp_path, "--arms", "fp32,half")
    )
    assert "expected a study folder" in error_of(invoke("study", "--out", tmp_path))
    assert "expected a study folder" in error_of(invoke("report", tmp_path))
    assert not list(tmp_path.iterdir())


def test_photos_that_were_exchanged_are_other_data(finished_study: Path, study_data: Path, tmp_path: Path) -> None:
    data = shutil.copytree(study_data, tmp_path / "data")
    study = shutil.copytree(finished_study, tmp_path / "study")
    photos = sorted((data / "test_img").iterdir())
    first, second = photos[0].read_bytes(), photos[1].read_bytes()
    photos[0].write_bytes(second)
    photos[1].write_bytes(first)
    assert "study, data: expected the files" in error_of(invoke("study", data, "--out", study, *OPTIONS))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_stops_the_study_and_keeps_what_is_finished(
    finished_study: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A real file system with room for one record and no more."""
    study = shutil.copytree(finished_study, tmp_path / "study")
    records = study / "records" / "amp-bf16-s1"
    shutil.rmtree(records)
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("no right to mount a small file system")
    try:
        records.symlink_to(small)
        make("--out", study, code=2)
        notes = capfd.readouterr().err
        assert "No space left on device" in notes
        assert "finished work is kept" in notes.lower()
    finally:
        subprocess.run(["umount", small], check=True)
    assert (study / "runs" / "amp-bf16-s1" / "checkpoints" / "latest.pt").exists()
