"""A study handed to Slurm by the command, which waits for nothing."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from tests.commands.command_line import invoke
from tests.study.executors.slurm_stand_in import install
from tests.study.small_arms import BASE, NOISY, write_arms, write_scripts


def test_every_run_is_a_job_and_the_report_one_after_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in install(tmp_path / "slurm", runs=False).items():
        monkeypatch.setenv(name, value)
    folder, study = write_scripts(tmp_path / "code"), tmp_path / "study"
    (weights := tmp_path / "vgg 16.pth").touch()
    arms = write_arms(folder, BASE, NOISY)
    options = ["--arms", arms, "--seeds", "2", "--no-repeat", "--distance-weights", f"dists={weights}"]
    asked = ["--slurm", "--executor-option", "partition=gpu", "--device", "cpu"]
    result = invoke("study", folder / "real", "--out", study, *options, *asked)
    assert result.exit_code == 0, result.output
    assert "4 runs and the report after them, by Slurm's jobs 1_0, 1_1, 2_0, 2_1, 3." in result.stderr
    scripts = {path.stem: path.read_text() for path in (tmp_path / "slurm" / "slurm-state").glob("*.sbatch")}
    assert all("#SBATCH --partition=gpu\n" in text for text in scripts.values())
    # Arms that share a training come after those that train, and the report after all.
    assert "#SBATCH --dependency=afterany:1\n" in scripts["2"]
    assert "#SBATCH --dependency=afterany:1:2\n" in scripts["3"]
    told = []
    for number in ("1_0", "1_1", "2_0", "2_1", "3"):
        task = pickle.loads((study / "slurm" / f"{number}_submitted.pkl").read_bytes()).function
        told.append((task.job.name, task.device, *task.job.command[2:]))
    command = ("study", "--out", str(study.resolve()), "--distance-weights", f"dists={weights}")
    names = ("base-s0", "base-s1", "noisy-s0", "noisy-s1")
    runs = [(name, "cuda", *command, "--run", name) for name in names]
    assert told == [*runs, ("report", "cuda", *command)]
    plan = (study / "study.json").read_bytes()
    # Another call would begin all of them twice, and might change what they are about to read.
    result = invoke("study", folder / "real", "--out", study, *options, *asked, "--seeds", "3")
    assert result.exit_code == 2
    assert "--slurm: expected no jobs of this study in the queue, found 5: 1_0, 1_1, 2_0, 2_1, 3." in result.stderr
    assert (study / "study.json").read_bytes() == plan
    assert not (tmp_path / "slurm" / "slurm-state" / "4.sbatch").exists()
