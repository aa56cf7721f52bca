from __future__ import annotations

import json
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.generators.training.run_log import read_log

LINE = {
    "step": 1,
    "epoch": 1,
    "losses": {"G_GAN": 1.5, "D": None},
    "lr": 2e-4,
    "loss_scale": {"G": None, "D": 65536.0},
    "skipped_steps": {"G": 0, "D": 1},
    "images_per_second": 3.0,
    "data_wait": 0.5,
    "peak_memory_bytes": None,
}


def write(path: Path, *lines: dict[str, object]) -> Path:
    path.write_text("".join(f"{json.dumps(LINE | line)}\n" for line in lines))
    return path


def test_a_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    log = read_log(write(tmp_path / "log.jsonl", {}, {"step": 2, "losses": {"D": 1, "G_GAN": 2}}))
    assert [line.step for line in log] == [1, 2]
    assert log[1].losses == {"G_GAN": 2, "D": 1}
    assert read_log(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            {"losses": {"G_GAM": 1.5, "D": None}},
            "line 2, losses: expected those of the other lines: D, G_GAN, found D, G_GAM",
        ),
        ({"loss_scale": {"G": None}}, "line 2, loss_scale: expected those of the other lines: D, G, found G"),
        ({"skipped_steps": {}}, "line 2, skipped_steps: expected those of the other lines: D, G, found none"),
        ({"skipped_steps": {"G": 0, "D": -1}}, "line 2, $.skipped_steps[...]: expected int >= 0"),
        ({"losses": {"G_GAN": 1e308, "D": 0}}, "line 2, $.losses[...]: expected float <= 1e+100"),
        ({"step": 1}, "line 2, step: expected one after 1, as a log goes on, found 1"),
    ],
)
def test_a_line_that_does_not_go_on_the_log_is_named(tmp_path: Path, second: dict[str, object], message: str) -> None:
    path = write(tmp_path / "log.jsonl", {}, {"step": 2} | second)
    with pytest.raises(InputError) as raised:
        read_log(path)
    assert f"{path}, {message}" in str(raised.value)
    assert "Mend the line, or delete it." in str(raised.value)


def test_a_first_line_that_differs_is_the_one_that_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", {"losses": {"G_GAM": 1}}, {"step": 2}, {"step": 3})
    with pytest.raises(InputError, match="line 1, losses: expected those of the other lines: D, G_GAN, found G_GAM"):
        read_log(path)
