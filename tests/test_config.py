from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2phd_eval.config import (
    DataConfig,
    DiscriminatorConfig,
    ExecutionConfig,
    FeatureConfig,
    GeneratorConfig,
    TrainConfig,
    recipe_of,
)
from p2phd_eval.errors import InputError
from p2phd_eval.presets import PRESETS


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
            lambda: TrainConfig(data=DataConfig(resize="crop", crop_size=8)),
            "--crop-size: expected a multiple of 16 pixels .*found 8.\nUse 16.",
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "key 'colour': expected one of data, generator"),
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
