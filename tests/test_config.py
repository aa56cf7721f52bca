from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2phd_eval.config import (
    SETTINGS,
    DataConfig,
    DiscriminatorConfig,
    ExecutionConfig,
    FeatureConfig,
    GeneratorConfig,
    ObjectiveConfig,
    Setting,
    TrainConfig,
    recipe_of,
)
from p2phd_eval.errors import InputError
from p2phd_eval.presets import PRESETS, configure


@given(
    ngf=st.integers(1, 512),
    lr=st.floats(1e-9, 1, allow_nan=False),
    flip=st.booleans(),
    kind=st.sampled_from(["global", "local"]),
)
def test_json_there_and_back(ngf: int, lr: float, flip: bool, kind: str) -> None:
    config = TrainConfig(lr=lr, data=DataConfig(flip=flip), generator=GeneratorConfig(ngf=ngf, kind=kind))
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_travel_through_json(name: str) -> None:
    assert TrainConfig.from_dict(json.loads(json.dumps(PRESETS[name].to_dict()))) == PRESETS[name]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TrainConfig(lr=0.0), "--lr: expected a number above 0, found 0.0"),
        (lambda: TrainConfig(lr=float("nan")), "--lr: expected a number above 0, found nan"),
        (lambda: TrainConfig(batch_size=0), "--batch-size: expected a number above 0"),
        (lambda: TrainConfig(seed=-1), "--seed: expected a number that is 0 or more"),
        (lambda: TrainConfig(lr=math.inf), "--lr: expected a number of at most .*found inf"),
        (lambda: TrainConfig(beta1=1.0), "--beta1: expected a number below 1, found 1.0"),
        (lambda: TrainConfig(epochs=0, epochs_decay=0), "--epochs, --epochs-decay: expected at least one epoch"),
        (lambda: ObjectiveConfig(lambda_feat=-1.0), "--lambda-feat: expected a number that is 0 or more"),
        (lambda: TrainConfig(epochs="3"), "--epochs: expected int, found '3'"),
        (lambda: GeneratorConfig(ngf=1000, n_downsample=9), r"--ngf, .*at most 65536 channels .*found 1000 x 2\*\*9"),
        (
            lambda: TrainConfig(data=DataConfig(resize="crop", crop_size=16)),
            "--crop-size: expected at least 32 pixels, of which the networks' halvings leave something, found 16",
        ),
        (
            lambda: TrainConfig(data=DataConfig(load_size=64), discriminator=DiscriminatorConfig(n_scales=7)),
            "--load-size: expected at least 65 pixels",
        ),
        (lambda: DiscriminatorConfig(n_scales=0), "--num-d: expected a number above 0"),
        (lambda: FeatureConfig(n_downsample=0), "--n-downsample-e: expected a number above 0"),
        (lambda: TrainConfig(epochs_fix_global=3), "--niter-fix-global: expected 0, or a generator"),
        (lambda: GeneratorConfig(kind="unet"), r"--generator: expected global \| local, found 'unet'"),
        (lambda: DataConfig(resize="stretch"), "--resize-or-crop: expected scale_width"),
        (
            lambda: TrainConfig(data=DataConfig(load_size=500)),
            "--load-size: expected a multiple of 16 pixels .*found 500.\nUse 496 or 512.",
        ),
        (
            lambda: TrainConfig(data=DataConfig(resize="crop", crop_size=40)),
            "--crop-size: expected a multiple of 16 pixels .*found 40.\nUse 32 or 48.",
        ),
        (
            lambda: TrainConfig(data=DataConfig(resize="resize_and_crop", load_size=256, crop_size=512)),
            r"--crop-size: expected at most --load-size \(256\), found 512",
        ),
    ],
)
def test_bad_values_are_refused_with_what_would_do(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_what_the_original_takes_is_taken() -> None:
    TrainConfig(beta1=0.0, epochs=0, objective=ObjectiveConfig(lambda_feat=0.0))


_NUMBERS = [setting for setting in SETTINGS if setting.kind in (int, float)]


@pytest.mark.parametrize("setting", _NUMBERS, ids=lambda setting: setting.key)
def test_numbers_that_no_training_can_use_name_their_option(setting: Setting) -> None:
    option = f"--{setting.option.replace('_', '-')}"
    for number in (math.nan, math.inf, -1, 1e308, 10**30, 10**5000):
        if setting.kind is float and number == 10**30:
            continue  # a step so long diverges, which is an outcome
        with pytest.raises(InputError, match=f"^{option}|key '{setting.key.rpartition('.')[2]}'"):
            configure(Path("nowhere"), "demo", **{setting.option: number})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "key 'colour': expected one of data, generator"),
        ({"data": None}, "configuration, data: expected names with their values, found None"),
        ({"lr": 10**400}, "key 'lr': expected float, found a number of some 401 digits"),
        ({"lr": "fast"}, "key 'lr': expected float, found 'fast'"),
        ({"batch_size": True}, "key 'batch_size': expected int, found True"),
    ],
)
def test_bad_documents_name_the_key(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrainConfig.from_dict({**TrainConfig().to_dict(), **change})


def test_a_missing_key_is_named() -> None:
    document = TrainConfig().to_dict()
    del document["generator"]["ngf"]
    with pytest.raises(InputError, match="generator, key 'ngf': expected a value, found nothing"):
        TrainConfig.from_dict(document)


def test_how_steps_are_computed_and_watched_is_no_recipe() -> None:
    config = TrainConfig()
    same = replace(config, precision="tf32", seed=3, log_every=1, execution=ExecutionConfig(compile=True, grad_accum=2))
    assert recipe_of(same.to_dict()) == recipe_of(config.to_dict())
    for other in (replace(config, epochs=1), replace(config, generator=GeneratorConfig(ngf=8))):
        assert recipe_of(other.to_dict()) != recipe_of(config.to_dict())


def test_what_this_version_does_not_know_is_taken_for_the_recipe() -> None:
    assert recipe_of({"seed": 1, "generator": {"ngf": 8, "shape": "round"}}) == {
        "generator.ngf": 8,
        "generator.shape": "round",
    }
