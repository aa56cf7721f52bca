"""Targets that cannot be written, and addresses where paths belong, are refused in a sentence, before any work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from p2phd_eval.cli import app
from p2phd_eval.files import json_text
from tests.commands.command_line import all_commands, error_of, invoke

_WRITTEN = {"--out", "--json", "--picture", "--markdown", "--junit", "--summary", "OUT"}
#: Places where no file and no folder can be written; /proc takes nothing, from root either.
_WRONG = {"file": ("folder", "file.txt/new", "/proc/new"), "folder": ("file.txt", "file.txt/new", "/proc/new")}
#: Of these `--out` is a folder; of others a file.
_FOLDERS = {"study", "demo", "train", "generate", "report", "edit apply", "edit compare", "edit faces", "edit serve"}


_GROUP = typer.main.get_command(app)
_COMMANDS = all_commands()


def targets(command: str) -> list[tuple[str, list[str]]]:
    """What a command calls each target, and what is typed before the target alone."""
    found, arguments = [], 0
    for each in _COMMANDS[command].params:
        if each.param_type_name == "argument":
            found.append((each.name.upper(), ["x"] * arguments))
            arguments += 1
        else:
            found.append((each.opts[0], [each.opts[0]]))
    return [(called, before) for called, before in found if called in _WRITTEN]


@pytest.mark.parametrize("command", _COMMANDS)
def test_a_wrong_target_is_refused_before_the_work(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing else is typed, and so nothing else can be found fault with."""
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file.txt").touch()
    for called, before in targets(command):
        kind = "folder" if called == "OUT" or (called == "--out" and command in _FOLDERS) else "file"
        for place in _WRONG[kind]:
            assert _GROUP([*command.split(), *before, place], standalone_mode=False) == 2
            first, _, fix = capsys.readouterr().err.partition("\n")
            assert first.startswith(f"error: {called} {place}: expected a {kind} to write"), place
            assert fix == {"file": "Name another file.\n", "folder": "Choose another folder.\n"}[kind]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file.txt", "folder"]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("compare a b c --picture worst.jpg", "--picture: expected a file name ending in .png, found worst.jpg."),
        ("segment train data --out s.pt", "--out: expected a file name ending in .safetensors, found s.pt."),
        ("features a --out b.npz --json b.npz", "--json: expected another file than --out, found b.npz."),
    ],
)
def test_a_target_of_another_kind_or_of_another_option_is_refused(typed: str, message: str) -> None:
    assert message in error_of(invoke(*typed.split()))


def test_targets_are_looked_at_before_torch_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys, typer; from p2phd_eval.cli import app\n"
        "for typed in (['segment', 'train', 'x'], ['compare', 'x', 'y', 'z'], ['train', 'x']):\n"
        f"    assert typer.main.get_command(app)([*typed, '--json', {str(tmp_path)!r}], standalone_mode=False) == 2\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("command", "shown", "scheme"),
    [
        ("study s3://bucket/data", "s3://bucket/data", "s3"),
        ("study data --out gs://bucket/study", "--out gs://bucket/study", "gs"),
        ("data validate s3://bucket/data", "s3://bucket/data", "s3"),
        ("train https://me:word@host/data?signed --out run", "https://***@host/data?...", "https"),
        ("generate s3://bucket/run/checkpoints/latest.pt data --out samples", "s3://bucket/run/checkpoints/lat", "s3"),
        ("edit serve run hf://datasets/me/run --data data", "hf://datasets/me/run", "hf"),
        ("segment train data --out s3:/bucket/s.safetensors", "--out s3://bucket/s.safetensors", "s3"),
        ("study data --arms s3://bucket/arms.toml", "--arms s3://bucket/arms.toml", "s3"),
        ("segment score a b --segmenter hf://me/segformer", "--segmenter hf://me/segformer", "hf"),
        ("fid a b --feature-network s3://bucket/my.py:build", "--feature-network s3://bucket/my.py:build", "s3"),
        ("fid a b --cluster-by gs://bucket/cities.csv", "--cluster-by gs://bucket/cities.csv", "gs"),
        ("floor a b --distance-weights dists=s3://bucket/vgg.pth", "--distance-weights s3://bucket/vgg.pth", "s3"),
        ("edit compare data --script e --out o --baseline a s3://bucket/run --candidate c", "s3://bucket/run", "s3"),
    ],
)
def test_an_address_where_a_path_belongs(command: str, shown: str, scheme: str) -> None:
    result = invoke(*command.split())
    assert result.exit_code == 2
    assert result.output.startswith(f"error: {shown}")
    assert "expected a path: training data, runs, checkpoints, weights and studies lie on disks" in result.output
    assert f"found an address of {scheme}://." in result.output
    assert "Copy it to a disk first" in result.output
    assert "word" not in result.output


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("gate found.json --require within --json found.json", "--json: expected another file than REPORT, which"),
        ("gate --junit found.json --require within found.json", "--junit: expected another file than REPORT, which"),
        ("plan found.json --margin 2% --json ./found.json", "--json: expected another file than PILOT, which"),
        ("blind-test --json found.json r.json --score found.json", "--json: expected another file than --score, which"),
        ("fid a b --cluster-by found.json --json found.json", "--json: expected another file than --cluster-by, which"),
    ],
)
def test_what_is_read_is_not_written(command: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of a blind test, or a comparison of hours, cannot be made again from what took its place."""
    monkeypatch.chdir(tmp_path)
    Path("found.json").write_text("{}")
    assert said in error_of(invoke(*command.split()))
    assert Path("found.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("schema", "command"),
    [
        ("p2phd-eval/study", "study data --out study --json kept.json"),
        ("p2phd-eval/blind-test-key", "gate found.json --require within --junit kept.json"),
        ("p2phd-eval/blind-test-key", "blind-test a b --out kept.json"),
    ],
)
def test_what_nothing_makes_again_is_not_replaced(
    schema: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kept.json").write_text(json_text({"schema": schema}))
    said = error_of(invoke(*command.split()))
    assert "expected a new file, or one that such a result may replace, found kept.json, the" in said
    assert Path("kept.json").read_text() == json_text({"schema": schema})


def test_the_key_of_a_page_is_not_its_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = error_of(invoke("blind-test", "a", "b", "--out", "p.html", "--json", "./p.key.json"))
    assert "--json: expected another file than the key of the page" in said
