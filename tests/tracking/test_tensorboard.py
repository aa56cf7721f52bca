"""TensorBoard's own reader finds in its files what log.jsonl says, also after a resume."""

from __future__ import annotations

import io
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.checkpoint import latest_path
from p2phd_eval.generators.training.loop import Watchers, train_networks
from p2phd_eval.images.decoding import read_rgb
from p2phd_eval.tracking.tensorboard import TensorBoard
from p2phd_eval.tracking.tracker import Ending
from tests.tracking.tracked import curves_of_the_log

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def run_with_tensorboard(config: TrainConfig, data: Path, out: Path, *, resume: bool = False) -> None:
    board = TensorBoard(out)
    watchers = Watchers(on_log=board.on_log, on_grid=board.on_grid)
    train_networks(config, data, out, device=torch.device("cpu"), resume=resume, watchers=watchers)
    board.close(Ending.FINISHED)


def read_events(run: Path) -> tuple[dict[str, dict[int, float]], dict[int, bytes]]:
    """Scalars by name and step, and pictures (PNG) by step; each step occurs once."""
    accumulator = event_accumulator.EventAccumulator(
        str(run / "tensorboard"), size_guidance={"images": 0, "scalars": 0}
    )
    accumulator.Reload()
    scalars = {}
    for name in accumulator.Tags()["scalars"]:
        events = accumulator.Scalars(name)
        scalars[name] = {event.step: event.value for event in events}
        assert len(scalars[name]) == len(events), name
    pictures = accumulator.Images("samples")
    assert len({picture.step for picture in pictures}) == len(pictures)
    return scalars, {picture.step: picture.encoded_image_string for picture in pictures}


def assert_shows_the_log(run: Path) -> None:
    scalars, pictures = read_events(run)
    expected = curves_of_the_log(run)
    assert scalars.keys() == expected.keys()
    for name, by_step in expected.items():
        assert scalars[name] == pytest.approx(by_step, rel=1e-6), name  # float32 in the file
    grids = sorted((run / "grids").iterdir())
    assert [f"step_{step:08d}.png" for step in pictures] == [grid.name for grid in grids]
    for picture, grid in zip(pictures.values(), grids, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(picture))), read_rgb(grid))


def test_the_files_hold_the_log_and_a_resumed_run_no_step_twice(
    tiny: TrainConfig, scenes: Path, tmp_path: Path
) -> None:
    config = replace(tiny, precision="amp-fp16")  # the precision with a loss scale
    run = tmp_path / "run"
    short = replace(config, epochs=1, epochs_decay=1, checkpoint_every=2)
    run_with_tensorboard(short, scenes, run)
    assert_shows_the_log(run)
    after_two_epochs = latest_path(run).read_bytes()

    # Interrupted by a crash: the run went on to the end, but the checkpoint on disk is the earlier one.
    time.sleep(1.1)  # event files are put in order by the second in which they were begun
    run_with_tensorboard(config, scenes, run, resume=True)
    latest_path(run).write_bytes(after_two_epochs)
    time.sleep(1.1)
    run_with_tensorboard(config, scenes, run, resume=True)
    assert len(list((run / "tensorboard").iterdir())) == 3
    assert_shows_the_log(run)


def test_scores_of_a_validation(tmp_path: Path) -> None:
    board = TensorBoard(tmp_path)
    assert not (tmp_path / "tensorboard").exists()  # nothing before the first event
    board.on_scores(7, {"fid": 41.5, "fid_se": 0.25})
    board.on_grid(7, np.zeros((4, 6, 3), dtype=np.uint8))
    board.close(Ending.FINISHED)
    scalars, _ = read_events(tmp_path)
    assert scalars == {"validation/fid": {7: 41.5}, "validation/fid_se": {7: 0.25}}


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(InputError, match=r"--track tensorboard(.|\n)*pip install 'p2phd-eval\[tensorboard\]'"):
        TensorBoard(tmp_path)
