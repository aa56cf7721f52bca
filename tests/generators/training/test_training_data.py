"""A run goes on with the data that it began with, and never begins again where it had got somewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.checkpoint import latest_path
from p2phd_eval.generators.training.loop import Watchers, train_networks
from p2phd_eval.generators.training.run_log import LogRecord

CPU = torch.device("cpu")


def training_photos(data: Path) -> list[Path]:
    return sorted((data / "train_img").iterdir())


def resume(config: TrainConfig, data: Path, run: Path) -> list[str]:
    notes = list[str]()
    train_networks(config, data, run, device=CPU, resume=True, watchers=Watchers(on_note=notes.append))
    return notes


@pytest.fixture
def data(scenes: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(scenes, tmp_path / "data"))


@pytest.fixture
def run(data: Path, tiny: TrainConfig, tmp_path: Path) -> Path:
    train_networks(tiny, data, tmp_path / "run", device=CPU)
    return tmp_path / "run"


def test_other_data_are_refused_and_named(data: Path, run: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(data, tmp_path / "moved"))
    assert resume(tiny, moved, run) == []  # another place is no other data
    first, second, *_ = training_photos(moved)
    first.write_bytes(second.read_bytes())
    with pytest.raises(
        InputError, match=rf"found 1 changed \(train_img/{first.name}\)\.\nRestore them.*--load-pretrain"
    ):
        resume(tiny, moved, run)
    for kind in ("label", "inst", "img"):
        (moved / f"train_{kind}" / second.name).unlink()
    with pytest.raises(InputError, match=r"found 1 changed .*, 3 gone \(such as train_img/"):
        resume(tiny, moved, run)
    (run / "data.json").unlink()
    with pytest.raises(InputError, match=r"found others; .*data\.json, which would name them"):
        resume(tiny, moved, run)


def test_a_run_of_an_earlier_version_goes_on_with_a_word(data: Path, run: Path, tiny: TrainConfig) -> None:
    document = torch.load(latest_path(run), weights_only=True)
    del document["data_sha256"]
    torch.save(document, latest_path(run))
    (run / "data.json").unlink()
    (note,) = resume(tiny, data, run)
    assert "does not say which data it was trained on" in note


def test_a_lost_checkpoint_is_no_beginning(data: Path, run: Path, tiny: TrainConfig) -> None:
    latest = latest_path(run)
    latest.rename(latest.with_name("epoch_0001.pt"))
    steps = len((run / "log.jsonl").read_text().splitlines())
    expected = rf"a run whose log reaches step {steps}, found nothing there\.\nCopy .*epoch_0001\.pt to {latest}, "
    with pytest.raises(InputError, match=expected):
        resume(tiny, data, run)
    shutil.copy(latest.with_name("epoch_0001.pt"), latest)
    assert resume(tiny, data, run) == []  # the way out
    shutil.rmtree(latest.parent)
    record = json.loads((run / "data.json").read_text())
    (run / "data.json").unlink()
    with pytest.raises(InputError, match=rf"found nothing there\.\nRestore it; or start anew: delete {run}"):
        resume(tiny, data, run)
    # Killed before it had saved one: nothing is lost by beginning again.
    (run / "data.json").write_text(json.dumps(record | {"saved": False}))
    (note,) = resume(tiny, data, run)
    assert "starts from the first step" in note


def test_a_damaged_checkpoint_has_a_way_out(data: Path, run: Path, tiny: TrainConfig) -> None:
    latest = latest_path(run)
    whole = latest.read_bytes()
    first, second = (latest.with_name(f"epoch_000{k}.pt") for k in (1, 2))
    first.write_bytes(whole)
    for damaged in (latest, second):
        damaged.write_bytes(whole[:1000])
    with pytest.raises(InputError, match=rf"Copy {first} to {latest}, and the run goes on from there; or start anew"):
        resume(tiny, data, run)
    first.write_bytes(b"")
    with pytest.raises(InputError, match=rf"\.\nStart anew: delete {run}, or choose another --out\.$"):
        resume(tiny, data, run)
    # A folder that holds more than the run is not to be deleted.
    (run / "train_img").mkdir()
    with pytest.raises(InputError, match=r"\.\nStart anew: choose another --out\.$"):
        resume(tiny, data, run)


def test_a_lost_log_is_told(data: Path, run: Path, tiny: TrainConfig) -> None:
    log = run / "log.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[2:]))
    assert resume(tiny, data, run) == [f"{log} begins at step 3: the lines before are lost."]
    log.unlink()
    (note,) = resume(tiny, data, run)
    assert note == f"{log} has no line of the {len(lines)} steps that are done: it begins after them."


def test_a_photo_that_changes_while_it_trains_ends_the_training(data: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    def change(record: LogRecord) -> None:
        for photo in training_photos(data):
            photo.write_bytes(training_photos(data)[0].read_bytes())

    with pytest.raises(InputError, match=r"train_img.*found another: it was changed meanwhile"):
        train_networks(tiny, data, tmp_path / "run", device=CPU, watchers=Watchers(on_log=change))
