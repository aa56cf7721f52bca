"""Validation along a training: real generator, real Inception network, real files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import torch

from p2phd_eval.config import DataConfig, DiscriminatorConfig, FeatureConfig, GeneratorConfig, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.fid_of_sets import evaluate_fid
from p2phd_eval.evaluation.pairing import aligned
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.generators.training.loop import Watchers, train_networks
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.progress import OnProgress
from p2phd_eval.runs.held_out import HeldOut, HeldOutResult
from p2phd_eval.scenes.data_set import CLASSES, write_dataset
from p2phd_eval.stats.distances.kernel import kernel_distance as evaluate_kid
from tests.documentation import schema_of

CPU = torch.device("cpu")
CONFIG = TrainConfig(
    data=DataConfig(label_nc=len(CLASSES), load_size=64),
    generator=GeneratorConfig(ngf=4, n_downsample=2, n_blocks=1),
    discriminator=DiscriminatorConfig(ndf=4, n_layers=2),
    epochs=2,
    epochs_decay=1,
    validate_every=1,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("held_out") / "data"
    write_dataset(root, n_train=2, n_test=3, width=64, height=32, seed=0)
    return root


@pytest.fixture(autouse=True)
def _passes_of_few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of as many as there are: a pass of the network takes as long for three images as for eight."""
    monkeypatch.setattr("p2phd_eval.features.networks.inception.usual_batch_size", lambda device: 3)


class Progress:
    """Remembers what work there was."""

    def __init__(self) -> None:
        self.done: list[str] = []

    @contextmanager
    def __call__(self, description: str, unit: str) -> Iterator[OnProgress]:
        yield lambda done, total: self.done.append(description) if done == total else None


def lines(run: Path) -> list[dict[str, object]]:
    found = [json.loads(line) for line in (run / "validation.jsonl").read_text().splitlines()]
    for line in found:
        jsonschema.validate(line, schema_of("validation-line"))
    return found


@pytest.mark.usefixtures("inception_weights")
def test_epochs_are_validated_along_the_training_and_again_after_a_resume(data: Path, tmp_path: Path) -> None:
    run, progress = tmp_path / "run", Progress()

    def validated(config: TrainConfig, *, resume: bool) -> list[HeldOutResult]:
        held_out = HeldOut(config, data, "test", run, device=CPU, weights=None, progress=progress)
        results: list[HeldOutResult] = []
        watchers = Watchers(on_validation=lambda *place: results.append(held_out(*place)))
        train_networks(config, data, run, device=CPU, resume=resume, watchers=watchers)
        return results

    real = f"features of {data / 'test_img'}"
    first = validated(replace(CONFIG, epochs=1, epochs_decay=1), resume=False)
    assert [(result.epoch, result.step, result.n) for result in first] == [(1, 2, 3), (2, 4, 3)]
    assert progress.done.count(real) == 1
    early = (run / "checkpoints/latest.pt").read_bytes()

    # The number is that of `p2phd-eval fid` on the folders.
    extractor = FeatureExtractor(FeatureSettings(device="cpu", cache=False), progress=Progress())
    features = [extractor(open_source(folder)) for folder in (data / "test_img", first[-1].samples)]
    expected = evaluate_fid(*features, replicates=0)
    assert expected.pairing == "paired"
    assert (first[-1].fid, first[-1].fid_se) == pytest.approx((expected.fid, expected.fid_se), rel=1e-6)
    kid = evaluate_kid(*(aligned(each, sorted(each.ids)).values for each in features), paired=True)
    assert (first[-1].kid, first[-1].kid_se) == pytest.approx((kid.value, kid.se), rel=1e-6)

    # The end of epoch 2 once more: a process may be killed between a checkpoint and its validation.
    second, third = validated(CONFIG, resume=True)
    assert second == first[-1]
    assert progress.done.count(real) == 1  # read from the cache
    assert [line["epoch"] for line in lines(run)] == [1, 2, 3]
    best = min((*first, third), key=lambda result: result.fid).epoch
    assert third.best_epoch == best
    assert {folder.name for folder in (run / "validation").glob("epoch_*")} == {f"epoch_{best:04d}", "epoch_0003"}

    # Resumed from an earlier checkpoint, epoch 3 is validated once more: its line is replaced, to the same on a CPU.
    before = lines(run)
    (run / "checkpoints/latest.pt").write_bytes(early)
    assert validated(CONFIG, resume=True) == [second, third]
    assert lines(run) == before


@pytest.mark.usefixtures("inception_weights")
def test_photos_that_changed_are_read_anew(data: Path, tmp_path: Path) -> None:
    # A model with an encoder, whose features then come from the photos.
    config = replace(CONFIG, epochs=1, features=FeatureConfig(kind="instance", nef=4, n_downsample=2))
    own = tmp_path / "data"
    shutil.copytree(data, own)
    run, progress = tmp_path / "run", Progress()
    train_networks(config, own, run, device=CPU)
    checkpoint = run / "checkpoints/latest.pt"

    def validate() -> HeldOutResult:
        return HeldOut(config, own, "test", run, device=CPU, weights=None, progress=progress)(1, 2, checkpoint)

    before = validate()
    photos = sorted((own / "test_img").iterdir())
    photos[0].write_bytes(photos[1].read_bytes())
    after = validate()
    assert progress.done[-1] == f"features of {own / 'test_img'}"
    assert after.fid != before.fid
    assert [line["fid"] for line in lines(run)] == [after.fid]


@pytest.mark.usefixtures("inception_weights")
def test_what_is_missing_is_found_before_the_training(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"

    def open_held_out(phase: str, weights: Path | None = None) -> HeldOut:
        return HeldOut(CONFIG, data, phase, run, device=CPU, weights=weights, progress=Progress())

    with pytest.raises(InputError, match="val_label"):
        open_held_out("val")
    with pytest.raises(InputError, match=r"none\.pth"):
        open_held_out("test", tmp_path / "none.pth")
    assert not run.exists()
    run.mkdir()
    (run / "validation.jsonl").write_text('{"epoch": 1, "fid"')
    with pytest.raises(InputError, match=r"validation\.jsonl"):
        open_held_out("test")
