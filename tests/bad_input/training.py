"""Bad input: training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p2phd_eval.images.png import write_png
from tests.bad_input.case import Case, data_set
from tests.bad_input.small_run import AS_OPTIONS, small_run


def _other_photo() -> None:
    small_run()
    Path("data/train_img/1.png").write_bytes(Path("data/train_img/2.png").read_bytes())


def _lost_checkpoint() -> None:
    small_run()
    Path("run/checkpoints/latest.pt").unlink()


def _samples_of_other_data() -> None:
    small_run(("train", "test"))
    for path in Path("data/test_label").iterdir():
        write_png(path, np.full((64, 64), (int(path.stem) + 1) % 3, dtype=np.uint8))


def _folder_in_use() -> None:
    small_run()
    write_png(Path("album/holiday.png"), np.zeros((12, 16, 3), dtype=np.uint8))


TRAINING = (
    Case(
        area="Training",
        kind="A learning rate that is none",
        make=data_set,
        typed="train data --out run --lr inf",
        words="--lr",
    ),
    Case(
        area="Training",
        kind="A seed that torch does not take",
        make=data_set,
        typed="train data --out run --seed 18446744073709551616",
        words="18446744073709551616",
    ),
    Case(
        area="Training",
        kind="A training that would go on with another photo",
        make=_other_photo,
        typed=f"train data --out run --resume {AS_OPTIONS}",
        words="found 1 changed (train_img/1.png)",
    ),
    Case(
        area="Training",
        kind="A training whose checkpoint is lost",
        make=_lost_checkpoint,
        typed=f"train data --out run --resume {AS_OPTIONS}",
        words="run/checkpoints/latest.pt: expected the checkpoint of a run whose log reaches step 3",
    ),
    Case(
        area="Training",
        kind="A run folder that has a run already",
        make=small_run,
        typed=f"train data --out run {AS_OPTIONS}",
        words="expected a new run folder",
    ),
    Case(
        area="Training",
        kind="Samples of another data set in the folder",
        make=_samples_of_other_data,
        typed="generate run data --out samples --device cpu",
        words="3 images of which none was made from what is there now",
    ),
    Case(
        area="Training",
        kind="Samples into a folder of other files",
        make=_folder_in_use,
        typed="generate run data --out album --device cpu",
        words="found other files",
    ),
)
