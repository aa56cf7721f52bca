"""The bench: every figure of its document follows from its steps, and it says so when they are those of the loader."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from p2phd_eval.bench.drawing import draw_data, drawn_size
from p2phd_eval.bench.largest import largest_batch
from p2phd_eval.bench.speed import Setting
from p2phd_eval.bench.stage import Stage, Trainee
from p2phd_eval.cli import app
from p2phd_eval.config import DataConfig, FeatureConfig, TrainConfig
from p2phd_eval.generators.data.batch import Batch
from p2phd_eval.generators.data.dataset import TripletDataset
from p2phd_eval.presets import PRESETS
from p2phd_eval.scenes.data_set import write_dataset
from tests.bench.checkout import write_checkout

CPU = torch.device("cpu")
TINY = (
    *("--preset", "demo", "--load-size", "64", "--ngf", "4", "--n-blocks", "1", "--ndf", "4", "--device", "cpu"),
    *("--warm-up", "1", "--steps", "2", "--repeats", "2", "--json", "-"),
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return write_checkout(tmp_path / "pix2pixHD")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["bench", *(str(argument) for argument in arguments)])


def error_of(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.stderr.split())


def test_a_document_agrees_with_its_steps(checkout: Path, tmp_path: Path) -> None:
    result = invoke(*TINY, "--channels-last", "--against", checkout, "--decoded-cache", tmp_path / "cache")
    document = json.loads(result.stdout)
    assert (document["schema"], document["device"]) == ("p2phd-eval/bench", "cpu")
    assert document["versions"]["torch"] == torch.__version__
    assert document["input"] == {"width": 64, "height": 32}
    assert (tmp_path / "cache").is_dir()

    rows = {(row["precision"], row["batch_size"], row["variant"]): row for row in document["rows"]}
    ours = ("plain", "channels-last")
    assert set(rows) == {
        *(("fp32", size, "original") for size in (1, 2)),
        *((name, size, variant) for name in ("fp32", "amp-bf16") for size in (1, 2) for variant in ours),
    }
    for (precision, size, variant), found in rows.items():
        assert len(found["seconds"]) == len(found["seconds_waited"]) == 4  # --steps times --repeats
        assert all(0 < wait < whole for wait, whole in zip(found["seconds_waited"], found["seconds"], strict=True))
        assert found["seconds_median"] == pytest.approx(np.median(found["seconds"]))
        assert found["seconds_quartiles"] == pytest.approx(np.percentile(found["seconds"], (25, 75)))
        assert found["images_per_second"] == pytest.approx(size / found["seconds_median"])
        assert found["data_wait"] == pytest.approx(sum(found["seconds_waited"]) / sum(found["seconds"]))
        assert found["peak_memory_bytes"] is None  # torch counts it on CUDA only
        plain = rows[precision, size, "plain"]["seconds_median"]
        expected = None if variant == "plain" else pytest.approx(plain / found["seconds_median"])
        assert found["against_plain"] == expected
        assert found["skipped_steps"] == ({} if variant == "original" else {"G": 0, "D": 0})

    ratios = {ratio["name"]: ratio for ratio in document["ratios"]}
    median = {key: found["seconds_median"] for key, found in rows.items()}
    fp32 = median["fp32", 1, "plain"]
    same = ratios["amp-bf16 against fp32, same batch (1)"]
    twice = ratios["amp-bf16 with twice the batch (2) against fp32, per image"]
    assert (same["value"], same["talk"]) == (pytest.approx(fp32 / median["amp-bf16", 1, "plain"]), 1.8)
    assert (twice["value"], twice["talk"]) == (pytest.approx(2 * fp32 / median["amp-bf16", 2, "plain"]), 2.25)
    for size in (1, 2):
        expected = median["fp32", size, "original"] / median["fp32", size, "plain"]
        assert ratios[f"ours against the original, fp32, batch {size}"]["value"] == pytest.approx(expected)
    assert result.exit_code == int(any(found["data_wait"] > document["most_waiting"] for found in document["rows"]))


def test_steps_that_wait_for_data_are_an_error(tmp_path: Path) -> None:
    """Files of 400 times the pixels that tiny networks see: nearly all of a step is decoding and scaling them down."""
    write_dataset(tmp_path / "data", n_train=2, n_test=0, width=1280, height=640, seed=0)
    target = tmp_path / "bench.json"
    result = invoke(
        tmp_path / "data", *TINY, "--json", target, "--load-size", 32, "--precisions", "fp32", "--repeats", 1
    )
    assert result.exit_code == 1
    assert all(found["data_wait"] > 0.05 for found in json.loads(target.read_text())["rows"])
    assert "expected steps that wait for data at most 5% of their time" in result.stderr
    assert "--workers (now 0)" in result.stderr
    assert "--decoded-cache" in result.stderr
    assert "fp32\tplain\t2\t" in result.stdout


def test_the_largest_presets_run_without_what_training_needs(tmp_path: Path) -> None:
    """1024p-feat: no pretrained generator, and feature maps that nobody computed."""
    result = invoke(
        *(
            *TINY,
            "--preset",
            "1024p-feat",
            "--width",
            64,
            "--height",
            64,
            "--n-blocks",
            1,
            "--vgg",
            "none",
            "--steps",
            1,
        ),
        *("--repeats", 1, "--precisions", "fp32", "--batch-sizes", 1),
    )
    document = json.loads(result.stdout)
    assert document["config"]["features"]["precomputed"] is True
    assert document["config"]["data"]["label_nc"] == 35  # the preset's, not the scenes'
    assert document["data"] == {"folder": None, "width": 64, "height": 64}
    assert len(document["rows"]) == 1


def test_drawn_features_are_constant_in_each_instance(tmp_path: Path) -> None:
    config = TrainConfig(data=DataConfig(resize="none"), features=FeatureConfig(kind="instance", precomputed=True))
    draw_data(tmp_path, config, (64, 64))
    dataset = TripletDataset(
        tmp_path, "train", config.data, size_multiple=32, photos=True, augment_seed=None, features=config.features
    )
    sample = dataset[0, 0]
    assert sample.features is not None
    assert sample.instance is not None
    for instance in sample.instance.unique():
        values = sample.features[0][:, sample.instance[0, 0] == instance]
        assert (values == values[:, :1]).all()


def test_files_are_as_large_as_those_of_cityscapes_at_the_originals_sizes() -> None:
    sizes = {name: drawn_size(config) for name, config in PRESETS.items()}
    assert sizes.pop("demo") == (128, 64)
    assert set(sizes.values()) == {(2048, 1024)}


def test_bad_options(tmp_path: Path) -> None:
    assert "--against" in error_of(invoke(*TINY, "--against", tmp_path / "none"))
    assert "found no folder" in error_of(invoke(*TINY, "--against", tmp_path / "none"))
    assert "found a folder without it" in error_of(invoke(*TINY, "--against", tmp_path))
    assert "--batch-sizes: expected whole numbers above 0" in error_of(invoke(*TINY, "--batch-sizes", "1,0"))
    assert "found 'fp8'" in error_of(invoke(*TINY, "--precisions", "fp32,fp8"))
    assert "--precision tf32: expected a CUDA device" in error_of(invoke(*TINY, "--precisions", "tf32"))
    assert "--vgg: expected none | untrained" in error_of(invoke(*TINY, "--vgg", "torchvision"))
    assert "--preset: expected 512p" in error_of(invoke(*TINY, "--preset", "256p"))
    assert "--width, --height: expected no DATA" in error_of(invoke(tmp_path, *TINY, "--width", 64))


class SmallMemory(Stage):
    """The CPU with a memory that is full at 5 samples; a real one would end the process."""

    built = 0

    @contextlib.contextmanager
    def trainee(self, setting: Setting) -> Iterator[Trainee]:
        self.built += 1
        with super().trainee(setting) as trainee:

            def step(batch: Batch) -> object:
                if len(batch.label) > 5:
                    raise torch.OutOfMemoryError("more than 5 samples")
                return trainee.step(batch)

            yield Trainee(step=step, optimizers=trainee.optimizers)


def test_the_largest_batch_is_searched_with_training_steps(tmp_path: Path) -> None:
    config = replace(
        PRESETS["demo"], data=DataConfig(load_size=32), generator=replace(PRESETS["demo"].generator, ngf=2)
    )
    write_dataset(tmp_path / "data", n_train=2, n_test=0, width=32, height=32, seed=0)
    dataset = TripletDataset(
        tmp_path / "data", "train", config.data, size_multiple=4, photos=True, augment_seed=0, features=config.features
    )
    stage = SmallMemory(config, CPU)
    largest = largest_batch(stage, "fp32", [dataset[0, 0], dataset[0, 1]])
    assert (largest.batch_size, largest.reason) == (5, "out of memory")
    assert stage.built == 2  # for 1, 2, 4, 5 and 7, which failed; for 6, which failed


def test_a_setting_that_does_not_fit_leaves_the_others(checkout: Path) -> None:
    result = invoke(*TINY, "--precisions", "fp32", "--batch-sizes", "1,3", "--repeats", 1, "--against", checkout)
    fits = {(found["variant"], found["batch_size"]): found["fits"] for found in json.loads(result.stdout)["rows"]}
    assert fits == {("original", 1): True, ("original", 3): False, ("plain", 1): True, ("plain", 3): True}
    assert "fp32\toriginal\t3\tdoes not fit" in result.stderr  # beside JSON on stdout
