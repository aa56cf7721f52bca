"""Arms files: what they say, and what is wrong with them, by line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.report.documents.arm_documents import CommandArm, PrecisionArm
from p2phd_eval.study.arms_file import read_arms_file
from tests.study.small_arms import AGAIN, BASE, NOISY, write_arms, write_scripts

OTHER = 'name = "other"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_scripts(tmp_path)


def test_an_arm_is_what_its_table_says(folder: Path) -> None:
    theirs = 'name = "theirs"\nimages = "images/{seed}::fake_B"'
    ours = 'name = "ours"\nprecision = "amp-fp16"'
    more = NOISY + '\ninputs = ["real"]\nenvironment = { A = "{seed}" }\nfolder = "."\ntimeout_s = 60\n'
    (folder / "prompts.csv").write_text("condition,prompt\na,a cat\n")
    read = read_arms_file(write_arms(folder, BASE, more, AGAIN, theirs, ours, before='conditions = "prompts.csv"\n'))
    assert list(read.arms) == ["base", "noisy", "again", "theirs", "ours"]
    assert read.conditions == folder / "prompts.csv"
    base, noisy = read.arms["base"], read.arms["noisy"]
    assert isinstance(base, CommandArm) and isinstance(noisy, CommandArm)
    # Scripts among the arguments count without being named, as do folders that are.
    assert base.inputs == {name: file_sha256(folder / name) for name in ("train.py", "generate.py")}
    assert list(noisy.inputs) == ["real", "generate.py"]
    assert (noisy.environment, noisy.folder, noisy.timeout_s) == ({"A": "{seed}"}, str(folder), 60.0)
    assert [arm.benign for arm in read.arms.values()] == [False, False, True, False, False]
    assert read.arms["theirs"] == CommandArm(images="images/{seed}::fake_B", folder=str(folder))
    assert read.arms["ours"] == PrecisionArm(precision="amp-fp16")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[arm]\nname = 3", "arms.toml, line 1: expected TOML, found text that is none: expected ']]'"),
        ('[[arm]]\nname = "a', "arms.toml, (line 2|at its end): expected TOML"),
        ("[[arm]]\nname = ", "arms.toml, (line 2|at its end): expected TOML"),
        ("seeds = " + 5000 * "9", "arms.toml: expected TOML that can be read, found a number of thousands of digits"),
        ("seeds = " + 100_000 * "[", "arms.toml: expected TOML that can be read, found values nested without end"),
        ('arms = 1\n[[arm]]\nname = "a"', "line 1: expected tables .* found the key 'arms'"),
        ("arm = 3", "line 1: expected two tables .* found 3"),
        ('[arm]\nname = "a"', r"line 1: expected two tables .* found one, \[arm\]"),
        ('\narm = [{name = "a", images = "real"},\n{nam = "b"}]', "line 2, arm 2, nam: expected keys"),
        ('[[arm]]\nname = "a"\nimages = "real"', "expected two tables .* found 1"),
        ("conditions = 3\n[[arm]]\n" + BASE + "\n[[arm]]\n" + NOISY, "line 1: expected the path of a CSV, found 3"),
    ],
)
def test_a_file_that_is_none(text: str, message: str, folder: Path) -> None:
    (folder / "arms.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_arms_file(folder / "arms.toml")


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_a_file_that_cannot_be_read(content: bytes | None, folder: Path) -> None:
    if content is not None:
        (folder / "arms.toml").write_bytes(content)
    with pytest.raises(InputError, match=r"UTF-8|nothing there"):
        read_arms_file(folder / "arms.toml")


COMMAND = 'generate = ["{python}", "generate.py", "{out}", "{seed}", "9"]'


@pytest.mark.parametrize(
    ("table", "line", "message"),
    [
        (COMMAND, 5, "arm 2, name: expected a name, found none"),
        (f'name = "a/b"\n{COMMAND}', 6, "name: expected letters, digits"),
        (f'name = "BASE"\n{COMMAND}', 6, "name: expected a name of its own, found 'BASE' a second time"),
        (OTHER + 'genrate = ["x"]', 7, "genrate: expected keys among name, precision, .* found 'genrate'"),
        (OTHER + 'generate = "python x"', 7, "generate: expected array, found 'python x'"),
        (OTHER + "generate = []", 7, "generate: expected generate = .* found an empty command"),
        (OTHER, 5, "generate: expected generate = .* found none of them"),
        (OTHER + 'generate = ["{python}", "{sed}", "{out}"]', 7, r"found \{sed\} in '\{sed\}'"),
        (OTHER + 'generate = ["{python}", "{run}", "{out}"]', 7, r"found \{run\} in"),
        (OTHER + 'generate = ["{python}", "{conditions}", "{out}"]', 7, r"found \{conditions\} in"),
        (OTHER + 'generate = ["{python}", "generate.py", "{seed}"]', 7, r"expected \{out\}, the folder"),
        (OTHER + COMMAND + '\ntrain = ["{python}", "{seed}"]', 8, r"train: expected \{run\}, the folder"),
        (OTHER + 'generate = ["no-such-program", "{out}", "{seed}"]', 7, "'no-such-program', which is not there"),
        (OTHER + 'generate = ["./generate.py", "{out}", "{seed}"]', 7, "a file that is not executable"),
        (OTHER + COMMAND + '\nenvironment = { A = "{out}" }', 8, r"environment: .* found \{out\}"),
        (OTHER + COMMAND + '\nenvironment = { "A=B" = "" }', 8, "environment: expected names without ="),
        (OTHER + COMMAND + '\nimages = "{run}/images"', 8, r"images: .* found \{run\}"),
        (OTHER + COMMAND + '\ninputs = ["nothing.py"]', 8, "inputs: expected files .* found 'nothing.py'"),
        (OTHER + COMMAND + '\nfolder = "nothing"', 8, "folder: expected a folder to run"),
        (OTHER + COMMAND + "\ntimeout_s = 0", 8, "timeout_s: expected seconds above 0, found 0"),
        (OTHER + COMMAND + '\nrun_of = "nobody"', 8, "run_of: expected an arm that trains: base, found 'nobody'"),
        (OTHER + COMMAND + '\nrun_of = "base"\ntrain = ["{python}", "{run}"]', 8, "run_of: expected train, or run_of"),
        (OTHER + 'images = "real"\nrun_of = "base"', 7, "images: expected a command that generates"),
        (OTHER + 'precision = "fp12"', 7, "precision: expected one of .* found 'fp12'"),
        (OTHER + f'precision = "fp32"\n{COMMAND}', 8, "generate: expected precision, or a command"),
        (OTHER + COMMAND.replace('"{seed}"', '"1"'), 7, r"expected \{seed\} somewhere .* 3 seeds"),
        (BASE.replace('"base"', '"twin"'), 6, "name: expected something that tells twin from base"),
        (
            BASE.replace('"base"', '"twin"') + "\ntimeout_s = 60",
            6,
            "name: expected something that tells twin from base",
        ),
        (AGAIN.replace("benign = true\n", ""), 6, "name: expected something that tells again from base"),
        ('name = "\u0085"', 6, "name: expected letters"),  # a line break elsewhere, not in TOML
        (OTHER + COMMAND.replace("{seed}", "{seed:03d}"), 7, r"expected \{seed\} as it stands here"),
        (OTHER + 'generate = ["./real", "{out}", "{seed}"]', 7, "found './real', a folder"),
    ],
)
def test_an_arm_that_cannot_be_made_is_named_with_its_line(table: str, line: int, message: str, folder: Path) -> None:
    with pytest.raises(InputError, match=rf"arms\.toml, line {line}, arm 2, .*") as error:
        read_arms_file(write_arms(folder, BASE, table), seeds=3)
    assert re.search(message, str(error.value)), str(error.value)


def test_run_of_where_no_arm_trains_is_to_be_left_out(folder: Path) -> None:
    arms = write_arms(folder, f'name = "base"\n{COMMAND}', OTHER + COMMAND + '\nrun_of = "base"')
    with pytest.raises(InputError, match=r"there is none, found 'base'\.\nLeave it out"):
        read_arms_file(arms)


def test_the_baseline_is_no_variant(folder: Path) -> None:
    with pytest.raises(InputError, match="line 4, arm 1, benign: expected a baseline first"):
        read_arms_file(write_arms(folder, AGAIN.replace('"base"', '"noisy"'), NOISY))


def test_a_script_with_a_slash_is_run_from_the_folder(folder: Path) -> None:
    (folder / "generate.py").chmod(0o755)
    table = OTHER + 'generate = ["./generate.py", "{out}", "{seed}", "9"]'
    read = read_arms_file(write_arms(folder, BASE, table))
    arm = read.arms["other"]
    assert isinstance(arm, CommandArm)
    assert list(arm.inputs) == ["./generate.py"]
