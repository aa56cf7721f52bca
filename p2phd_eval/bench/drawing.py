"""The data set that a bench draws for itself where none is given."""

from pathlib import Path

import numpy as np

from p2phd_eval.config import TrainConfig
from p2phd_eval.generators.data.triplets import feature_folder, files_by_key, read_map
from p2phd_eval.images.png import write_png
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.scenes.data_set import write_dataset

_CITYSCAPES = (2048, 1024)  # width and height in pixels
_SCENES = 8


def drawn_size(config: TrainConfig) -> tuple[int, int]:
    """Return width and height of the files to draw for a configuration.

    Those of Cityscapes at the original's sizes: its 512p script reads 2048 x 1024 pixels too, and scales them down.
    Otherwise what the networks see.
    """
    width = config.data.load_size
    return _CITYSCAPES if config.data.resize == "none" or width >= 1024 else (width, width // 2)


def draw_data(out: Path, config: TrainConfig, size: tuple[int, int], *, on_progress: OnProgress = unwatched) -> None:
    """Write a few embedded scenes in pix2pixHD's layout, and random feature maps where those are precomputed.

    `out`: an empty folder. `config`: may have more classes than the scenes do. `size`, (int, int): width and height in
    pixels.
    """
    width, height = size
    write_dataset(out, n_train=_SCENES, n_test=0, width=width, height=height, seed=config.seed, on_progress=on_progress)
    if config.features.precomputed:
        rng = np.random.default_rng(config.seed)
        for path in files_by_key(out / "train_inst").values():
            # One value a region, as an encoder's output has: noise would take longer to decode.
            found, region = np.unique(np.asarray(read_map(path, "instance map")), return_inverse=True)
            colours = rng.integers(0, 256, (len(found), 3), dtype=np.uint8)
            write_png(out / feature_folder("train") / path.name, colours[region.reshape(height, width)])
