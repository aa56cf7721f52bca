"""The scripts are run by a real shell, and their `#SBATCH` lines are read by sbatch's rules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.study.slurm import write_slurm
from p2phd_eval.study.study_plan import StudyPlan

HOSTILE = [
    "a b",
    "$(touch RAN)`touch RAN`;touch RAN",
    'it\'s "quoted" #1',
    "100%j%%a",
    "-x &&touch RAN||",
    "${HOME}*?[a]~!{a,b}",
    "caf\udce9 é",
    "x'\"'\"'touch RAN'",
]


def plan(data: str) -> StudyPlan:
    return StudyPlan(data=data, data_sha256="0" * 64, base=TrainConfig(), arms=("fp32", "amp-bf16"), seeds=(0, 1))


def arguments_of(line: str) -> list[str]:
    """What sbatch takes from a line `#SBATCH`: a backslash takes the meaning of any character, in quotes too."""
    found, word, quote, escaped = [], "", "", False
    for each in f"{line} ":
        if escaped:
            word, escaped = word + each, False
        elif each == "\\":
            escaped = True
        elif quote:
            word, quote = (word, "") if each == quote else (word + each, quote)
        elif each in "\"'":
            quote = each
        elif each == "#":
            break
        elif each != " ":
            word += each
        elif word:
            found, word = [*found, word], ""
    assert not quote
    return found


def log_of(script: str, task: int) -> str:
    """The log that Slurm writes: %a becomes the number of the task, %% a percent sign."""
    (pattern,) = [
        each.removeprefix("--output=")
        for line in script.splitlines()
        if line.startswith("#SBATCH")
        for each in arguments_of(line.removeprefix("#SBATCH"))
        if each.startswith("--output=")
    ]
    assert "\\" not in pattern  # one would switch off %a
    return "%".join(part.replace("%a", str(task)) for part in pattern.split("%%"))


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_is_a_command_or_an_option(name: str, tmp_path: Path) -> None:
    study = tmp_path / name / "study"
    (tmp_path / name).mkdir(parents=True, exist_ok=True)
    (tmp_path / name / "w\nx.pt").touch()
    submit = write_slurm(plan(f"/data/{name}"), study, feature_weights=tmp_path / name / "w\nx.pt", track=["mlflow"])
    for script in ("runs", "report"):
        path = submit.with_name(f"{script}.sbatch")
        text = os.fsdecode(path.read_bytes())
        assert log_of(text, 7) == f"{submit.parent}/{7 if script == 'runs' else 'report'}.log"
        # What it would become is printed instead.
        path.write_bytes(os.fsencode(text.replace("\nexec ", "\nprintf '%s\\0' ")))
        result = subprocess.run(
            ["bash", path], cwd=tmp_path, env={"SLURM_ARRAY_TASK_ID": "3"}, capture_output=True, check=True
        )
        run = ["--run", "amp-bf16-s1"] if script == "runs" else []
        python, program, *rest = os.fsdecode(result.stdout).split("\0")[:-1]
        assert (python, Path(program).name) == (sys.executable, "__main__.py")
        weights = str(tmp_path.resolve() / name / "w\nx.pt")
        assert rest == [
            *("study", "--out", str(study.resolve()), "--feature-weights", weights, "--track", "mlflow"),
            *run,
        ]
    submitted = subprocess.run(
        ["bash", "-c", 'sbatch() { printf \'%s\\0\' "$@" >&2; echo 17; }; . "$0" --qos=x', submit],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    scripts = [str(submit.with_name(f"{script}.sbatch")) for script in ("runs", "report")]
    assert os.fsdecode(submitted.stderr).split("\0")[:-1] == [
        *("--parsable", "--qos=x", scripts[0]),
        *("--dependency=afterany:17", "--qos=x", scripts[1]),
    ]
    assert not list(tmp_path.rglob("RAN"))


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\x1b[2Jb", "a\tb", "a\\b", "a\x7fb"])
def test_a_name_that_slurm_cannot_write_to_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a path that Slurm can write its logs to"):
        write_slurm(plan("/data"), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    # The data's name is but a label.
    submit = write_slurm(plan(f"/data/{name}"), tmp_path / "study")
    for path in submit.parent.iterdir():
        assert name not in path.read_text()


def test_the_weights_of_distances_are_handed_on(tmp_path: Path) -> None:
    weights = tmp_path / "vgg 16.pth"
    weights.touch()
    write_slurm(plan("data"), tmp_path / "study", distance_weights={"dists": weights})
    report = (tmp_path / "study" / "slurm" / "report.sbatch").read_text()
    assert f"--distance-weights 'dists={weights}'" in report
    with pytest.raises(InputError, match=r"--distance-weights dists=.*found nothing there"):
        write_slurm(plan("data"), tmp_path / "study", distance_weights={"dists": tmp_path / "gone.pth"})
