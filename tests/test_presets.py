"""A preset with options, or a configuration of one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.files import write_json
from p2phd_eval.presets import PRESETS, configure


def test_what_is_left_out_is_the_presets(tmp_path: Path) -> None:
    assert configure(tmp_path, "demo", ngf=None) == replace(
        PRESETS["demo"], data=replace(PRESETS["demo"].data, instances=False)
    )


def test_options_reach_the_part_that_they_belong_to(tmp_path: Path) -> None:
    config = configure(
        tmp_path,
        **{"norm": "batch", "n_downsample": 3, "n_downsample_e": 2, "features": "label", "decoded_cache": tmp_path},
        **{"lr": 1, "precision": "tf32", "seed": 7},
    )
    assert (config.generator.norm, config.discriminator.norm) == ("batch", "batch")
    assert (config.generator.n_downsample, config.features.n_downsample, config.features.kind) == (3, 2, "label")
    assert (config.execution.cache, config.lr, config.precision, config.seed) == (str(tmp_path), 1.0, "tf32", 7)


def test_the_data_set_says_what_a_preset_cannot_know(tmp_path: Path) -> None:
    write_json(tmp_path / "classes.json", {"label_nc": 12})
    (tmp_path / "day_inst").mkdir()
    data = configure(tmp_path, phase="day").data
    assert (data.label_nc, data.instances) == (12, True)
    given = configure(tmp_path, phase="day", label_nc=3, instances=False).data
    assert (given.label_nc, given.instances) == (3, False)
    own = TrainConfig(lr=1e-3)
    assert configure(tmp_path, own, epochs=1) == replace(own, epochs=1)


def test_a_broken_list_of_classes_is_not_read_where_the_number_is_given(tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text("{")
    assert configure(tmp_path, label_nc=3).data.label_nc == 3
    with pytest.raises(InputError, match=r"classes\.json: expected JSON"):
        configure(tmp_path)


def test_what_cannot_be_configured(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--preset: expected 512p \| .*found '4k'"):
        configure(tmp_path, "4k")
    with pytest.raises(InputError, match=r"options: expected label_nc, .*, found 'epoch'\.\nDid you mean epochs\?$"):
        configure(tmp_path, epoch=3)
    with pytest.raises(InputError, match="key 'epochs': expected int, found '3'"):
        configure(tmp_path, epochs="3")
    with pytest.raises(InputError, match="--preset 1024p, --niter-fix-global 10: expected --load-pretrain"):
        configure(tmp_path, "1024p")
