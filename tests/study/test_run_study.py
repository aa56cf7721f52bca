"""A study as a call: it prints nothing, raises instead of exiting, and redoes nothing that is finished."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.errors import InputError
from p2phd_eval.report.documents.floor_documents import FloorDocument
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.run_study import run_study
from p2phd_eval.study.schedule import RunFailed, StudyStopped
from tests.study.executors.slurm_stand_in import install
from tests.study.small_arms import AGAIN, BASE, NOISY, write_arms, write_scripts
from tests.waiting import wait_for


def test_a_finished_study_is_reported_again(
    finished_study: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    study = shutil.copytree(finished_study, tmp_path / "study")
    forecasts, notes = [], list[str]()
    result = run_study(out=study, device="cpu", on_forecast=forecasts.append, note=notes.append)
    assert notes == ["device: cpu", "A CPU shows the quality of reduced precision, not its speed."]
    assert [len(forecast.plan.runs) for forecast in forecasts] == [5]
    assert {outcome.status for outcome in result.outcomes.values()} == {"finished"}
    written = json.loads((study / "report.json").read_text())
    assert repr(result) == f"{written['verdicts'][0]['sentence']}\nReport: {study / 'report.html'}"
    assert capfd.readouterr() == ("", "")


def test_an_unknown_tracker_is_refused_before_anything_is_done(study_data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--track: expected tensorboard or mlflow, found 'wandb'"):
        run_study(study_data, tmp_path, track="wandb", device="cpu")
    assert not list(tmp_path.iterdir())


def test_a_run_that_fails_is_an_error_with_what_it_said(finished_study: Path, tmp_path: Path) -> None:
    study = shutil.copytree(finished_study, tmp_path / "study")
    runs = study / "runs"
    shutil.copy(runs / "fp32-s1" / "checkpoints" / "latest.pt", runs / "fp32-s0" / "checkpoints" / "latest.pt")
    with pytest.raises(RunFailed, match="expected the checkpoint that the study recorded") as failure:
        run_study(out=study, device="cpu")
    assert failure.value.returncode == 2
    assert "fp32-s0 ended with exit code 2" in str(failure.value)


def test_a_signal_between_two_runs_stops_the_study(finished_study: Path, tmp_path: Path) -> None:
    """It comes as a run is about to start: that run is told, too."""
    study = shutil.copytree(finished_study, tmp_path / "study")
    (study / "features" / "fp32-s1@fp32.npz").unlink()
    handler = signal.getsignal(signal.SIGTERM)

    def note(text: str) -> None:
        if text.startswith("run "):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StudyStopped) as stop:
        run_study(out=study, device="cpu", note=note)
    assert stop.value.signum == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is handler
    assert not (study / "features" / "fp32-s1@fp32.npz").exists()


# --- Arms that are commands


def study_command(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A study in the scripts' folder, as from a shell."""
    command = [sys.executable, "-m", "p2phd_eval", "study", "--out", "study", "--device", "cpu", *arguments]
    with (folder / "errors").open("ab") as errors:
        return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors)


def made(study: Path) -> dict[str, int]:
    """When each artefact of a run was recorded."""
    records = [path for path in (study / "records").rglob("*.json") if path.parent != study / "records"]
    return {path.relative_to(study / "records").as_posix(): path.stat().st_mtime_ns for path in records}


@pytest.fixture(scope="module")
def command_study(tmp_path_factory: pytest.TempPathFactory, inception_weights: object) -> Path:
    """A study of commands: killed outright in the middle of one, with all its processes but the command's, resumed."""
    folder = write_scripts(tmp_path_factory.mktemp("code"))
    waits = NOISY.replace(
        '"generate.py"',
        '"-c", "import pathlib, runpy, time, sys\\nwhile not pathlib.Path('
        "'go').exists(): pathlib.Path('waiting').touch(); time.sleep(.02)\\nrunpy.run_path('generate.py')\"",
    )
    write_arms(folder, BASE, waits, AGAIN)
    options = ("real", "--arms", "arms.toml", "--seeds", "1", "--margin", "5%", "--no-repeat")
    first = study_command(folder, *options)
    wait_for(folder / "waiting")
    first.kill()
    first.wait(60)
    before = made(folder / "study")
    assert set(before) == {f"base-s0/{stage}.json" for stage in ("train", "generate-own", "features-own")}
    # The command noticed: nothing writes on.
    (folder / "waiting").unlink()
    deadline = time.monotonic() + 60
    while True:
        time.sleep(0.5)
        if not (folder / "waiting").exists():
            break
        (folder / "waiting").unlink()
        assert time.monotonic() < deadline
    (folder / "go").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_study(out="study", device="cpu")
    after = made(folder / "study")
    assert {name: after[name] for name in before} == before
    return folder


def test_commands_are_compared_by_what_they_share(command_study: Path) -> None:
    report = json.loads((command_study / "study" / "report.json").read_text())
    assert [(entry["arm"], entry["scope"]) for entry in report["verdicts"]] == [("noisy", "A")]
    found = report["comparisons"]
    assert (found["training"], found["repeat"]) == (None, None)
    (same_weights,) = found["sampling"]
    assert [each["name"] for each in same_weights["document"]["candidates"]] == ["noisy"]
    assert abs(same_weights["document"]["candidates"][0]["dfid"]) > 1
    # The same command again gives the same images.
    (again,) = found["benign"]["candidates"]
    assert (again["name"], again["dfid"], again["verdict"]) == ("again", pytest.approx(0, abs=1e-9), "within")
    arms = {arm["name"]: arm for arm in report["what_was_run"]["arms"]}
    assert arms["again"]["benign"] is True and "benign" not in arms["base"]
    assert arms["noisy"]["command"]["run_of"] == "base"
    # What the same command moves a second time is nothing, so that anything is above it.
    (moved,) = report["floor"]["candidates"]
    assert (moved["name"], moved["distances"][0]["ratio"]) == ("noisy", None)
    assert report["floor"]["benign"][0]["name"] == "again"
    page = (command_study / "study" / "report.html").read_text()
    assert "Do these changes hurt?" in page and "generate.py {out} {seed} 5" in page
    # A CPU emulates the precisions of pix2pixHD alone.
    assert "emulates" not in page + (command_study / "study" / "report.md").read_text()


def test_another_command_is_made_again_alone(command_study: Path, tmp_path: Path) -> None:
    """Also where the study was moved: its commands run where they were."""
    study = shutil.copytree(command_study / "study", tmp_path / "moved")
    before = made(study)
    result = run_study(out=study, device="cpu")
    assert made(study) == before
    changed = AGAIN.replace('"5"]', '"6"]')
    waits = (command_study / "arms.toml").read_text().split("[[arm]]")[2].strip()
    arms = write_arms(command_study, BASE, waits, changed, name="changed.toml")
    notes = list[str]()
    again = run_study(command_study / "real", study, arms=arms, seeds=1, device="cpu", note=notes.append)
    after = made(study)
    assert {name for name in after if after[name] != before[name]} == {
        "again-s0/generate-own.json",
        "again-s0/features-own.json",
    }
    assert [note for note in notes if note.startswith("run ")] == [note for note in notes if "again-s0" in note][:1]
    assert again.report.verdicts == result.report.verdicts


def test_a_command_whose_images_are_others_has_failed_and_is_no_end(command_study: Path, tmp_path: Path) -> None:
    study = shutil.copytree(command_study / "study", tmp_path / "study")
    (command_study / "fewer.py").write_text(
        "import os, runpy, sys; runpy.run_path('generate.py'); os.remove(sys.argv[1] + '/3.png')"
    )
    fewer = AGAIN.replace("generate.py", "fewer.py")
    waits = (command_study / "arms.toml").read_text().split("[[arm]]")[2].strip()
    arms = write_arms(command_study, BASE, waits, fewer, name="fewer.toml")
    result = run_study(command_study / "real", study, arms=arms, seeds=1, device="cpu")
    why = "1 of the 6 images of base-s0 are missing, such as '3'"
    assert result.outcomes["again-s0"] == Outcome(status="failed", why=why)
    assert why in (study / "report.md").read_text()


def test_without_real_images_arms_are_held_against_each_other(command_study: Path, tmp_path: Path) -> None:
    """Of images that were there already."""
    samples = {arm: command_study / "study" / "runs" / f"{arm}-s0" / "samples" / "own" for arm in ("base", "noisy")}
    near = shutil.copytree(samples["base"], tmp_path / "near")
    for path in near.iterdir():
        pixels = np.asarray(Image.open(path))
        Image.fromarray(pixels ^ (pixels < 128)).save(path)  # the last bit of the dark ones
    tables = [f'name = "{arm}"\nimages = "{folder}"' for arm, folder in samples.items()]
    arms = write_arms(tmp_path, *tables, f'name = "near"\nbenign = true\nimages = "{near}"')
    notes = list[str]()
    result = run_study(out=tmp_path / "study", arms=arms, seeds=1, device="cpu", note=notes.append)
    assert not any("reduced precision" in note for note in notes)
    assert "there are no real images to compare with" in result.page.read_text()
    (entry,) = result.report.verdicts
    assert (entry.arm, entry.verdict) == ("noisy", "not-judged")
    assert result.report.comparisons.training is None
    floor = result.report.floor
    assert isinstance(floor, FloorDocument)
    (moved,) = floor.candidates
    assert moved.quality is None
    assert moved.kid is not None
    ratio = floor.judged(moved).ratio
    assert ratio is not None and ratio.value > 10
    # It goes on without real images, and with some it would be another study.
    assert run_study(out=tmp_path / "study", device="cpu").report.verdicts == result.report.verdicts
    with pytest.raises(InputError, match="REAL: expected no real images, as the study began"):
        run_study(command_study / "real", tmp_path / "study", arms=arms, device="cpu")


def test_an_arm_that_writes_over_the_images_of_another_is_named(command_study: Path, tmp_path: Path) -> None:
    shutil.copytree(command_study / "study" / "runs" / "base-s0" / "samples" / "own", tmp_path / "theirs")
    text = "import shutil, sys; shutil.copytree('theirs', sys.argv[1], dirs_exist_ok=True)"
    text += "; shutil.copy('theirs/1.png', 'theirs/0.png')"
    careless = f'name = "careless"\ngenerate = ["{{python}}", "-c", "{text}", "{{out}}"]'
    arms = write_arms(tmp_path, 'name = "theirs"\nimages = "theirs"', careless)
    with pytest.raises(InputError, match=r"expected the images that theirs-s0 made, found others, written since"):
        run_study(out=tmp_path / "study", arms=arms, seeds=1, device="cpu")


def without_times(study: Path) -> bytes:
    """The bytes of the report, but for what a clock measured, and when."""
    report = json.loads((study / "report.json").read_text())
    del report["speed"]
    return json.dumps(report).encode()


def process_of(run: Path) -> int:
    """The process that works in a run's folder."""
    return int((run / ".lock").read_text().partition(" ")[0] or 0)


@pytest.mark.parametrize("executor", ["slurm", "ray"])
def test_another_executor_makes_the_same_report_whatever_is_killed(
    executor: str, command_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """First the run is killed, which is tried again; then what waits for it, which goes on when it is called again.

    The study of processes of this machine was killed as well.
    """
    study = Path(shutil.copytree(command_study / "study", tmp_path / "study"))
    for gone in ("runs/noisy-s0", "records/noisy-s0", "analysis"):
        shutil.rmtree(study / gone)
    for path in [study / "features" / "noisy-s0@own.npz", *study.glob("report.*")]:
        path.unlink()
    before = made(study)
    if executor == "slurm":
        options = {"gpus": "0"}
        for name, value in install(tmp_path).items():
            monkeypatch.setenv(name, value)
    else:
        options = {"address": request.getfixturevalue("ray_cluster").address}
    for name in ("go", "waiting"):
        (command_study / name).unlink(missing_ok=True)
    try:
        arguments = ["--executor", executor]
        arguments += [text for key, value in options.items() for text in ("--executor-option", f"{key}={value}")]
        command = [sys.executable, "-m", "p2phd_eval", "study", "--out", str(study), "--device", "cpu", *arguments]
        with (tmp_path / "notes").open("wb") as notes:
            driver = subprocess.Popen(command, stdout=notes, stderr=notes)
        wait_for(command_study / "waiting")
        run = study / "runs" / "noisy-s0"
        first = process_of(run)
        os.kill(first, signal.SIGKILL)
        while not (run / ".lock").exists() or process_of(run) == first:
            assert driver.poll() is None, (tmp_path / "notes").read_text()
            time.sleep(0.05)
        (command_study / "waiting").unlink()
        wait_for(command_study / "waiting")
        driver.kill()
        driver.wait(60)
    finally:
        (command_study / "go").touch()
    assert re.search("noisy-s0 was ended by SIGKILL on .*; try 2 of 3", (tmp_path / "notes").read_text())
    run_study(out=study, executor=executor, executor_options=options, device="cpu")
    assert without_times(study) == without_times(command_study / "study")
    after = made(study)
    assert {name: after[name] for name in before} == before
    if executor == "slurm":
        # The job outlived what waited for it, and was not submitted again.
        assert len(list((tmp_path / "slurm-state").glob("*.sbatch"))) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arms": "ours"}, "expected a data set in pix2pixHD's layout, from which ours can be trained"),
        ({"epochs": 3}, "--epochs: expected a data set"),
        ({"generation": "bf16"}, "--generation: expected a baseline that is pix2pixHD, not base"),
        ({"judge": "block-fid"}, "--judge block-fid: expected more than 32 training photos"),
        ({"edits": "edits.json"}, "--edits: expected arms that are all pix2pixHD"),
        ({"inputs": True}, "'.', which holds the study's own folder"),
        ({"out": "real/study"}, "real/study: expected a folder outside of the real images"),
    ],
)
def test_what_commands_cannot_do_is_said_before_anything_runs(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = write_scripts(tmp_path)
    other = 'name = "ours"\nprecision = "amp-bf16"' if options.pop("arms", None) else NOISY
    other += '\ninputs = ["."]' if options.pop("inputs", None) else ""
    with pytest.raises(InputError, match=re.escape(message).replace("'", ".")):
        out = folder / options.pop("out", "study")
        run_study(folder / "real", out, arms=write_arms(folder, BASE, other), device="cpu", **options)
    assert not out.exists()
