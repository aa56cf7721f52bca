"""The written arms files are read, in a folder that has what they name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from p2phd_eval.report.documents.arm_documents import CommandArm
from p2phd_eval.study.arms_file import read_arms_file
from tests.examples.written import EXAMPLES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILES = sorted(EXAMPLES.glob("*/*.toml"))


def test_there_is_one_for_each_generator_that_is_promised() -> None:
    assert [path.relative_to(EXAMPLES).as_posix() for path in FILES] == [
        "SPADE/arms.toml",
        "diffusers/arms.toml",
        "image-folders/arms.toml",
        "pix2pix/arms.toml",
        "pytorch-CycleGAN-and-pix2pix/cyclegan.toml",
        "pytorch-CycleGAN-and-pix2pix/pix2pix.toml",
    ]
    for path in FILES:
        assert path.name in (path.parent / "README.md").read_text()
        assert f"({path.parent.name})" in (EXAMPLES / "README.md").read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_it_says_what_a_study_can_make(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    copy.write_text(path.read_text())
    for arm in tomllib.loads(path.read_text())["arm"]:
        for name in arm.get("inputs", []):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
    seeds = int(path.read_text().partition("--seeds ")[2].split()[0])
    read = read_arms_file(copy, seeds=seeds)
    baseline, *others = read.arms.values()
    assert isinstance(baseline, CommandArm) and not baseline.benign and others
    # Where the code is here, too, the scripts that commands name are there; elsewhere it is in another repository.
    if (path.parent / "arms.toml").exists() and list(path.parent.glob("*.py")):
        scripts = {part for arm in read.arms.values() for part in (*arm.train, *arm.generate) if part.endswith(".py")}
        assert scripts and all((path.parent / script).is_file() for script in scripts)
