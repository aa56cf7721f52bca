"""Every setting of a training is an option, with its help, its values and its default."""

from __future__ import annotations

import re

import pytest

from p2phd_eval.config import SETTINGS, Setting
from tests.commands.command_line import invoke


def help_of(*command: str) -> str:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("COLUMNS", "300")  # a line for each option
        result = invoke(*command, "--help")
    assert result.exit_code == 0
    return result.output


@pytest.fixture(scope="module")
def train_help() -> str:
    return help_of("train")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_training_takes_every_setting(setting: Setting, train_help: str) -> None:
    flag = f"--{setting.option.replace('_', '-')}"
    (line,) = (line for line in train_help.splitlines() if re.search(rf"│ +{flag} ", line))
    if setting.option not in ("seed", "precision"):  # which have words of their own there
        assert setting.help.replace("`", "") in line
        assert ("Default: " in line) == (setting.option not in ("load_pretrain", "decoded_cache"))
    assert all(choice in line for choice in setting.choices)
    if setting.kind is bool:
        assert f"--no-{flag[2:]}" in line


def test_defaults_are_those_of_the_presets(train_help: str) -> None:
    for text in (
        "full resolution. Default: 64 (1024p, 1024p-feat: 32; demo: 16).",
        "Default: that of classes.json, else 35.",
        "Mirror half of the training samples. Default: yes.",
        "Default: torchvision (demo: none).",
    ):
        assert text in train_help


def test_a_study_takes_them_without_a_word_and_a_bench_some() -> None:
    assert "--ngf" not in help_of("study")
    bench = help_of("bench")
    assert "--ngf" in bench
    assert "--flip" not in bench
