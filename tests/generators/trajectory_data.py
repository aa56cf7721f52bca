"""The data and the configurations of the training trajectories: by a rule, so that no image is stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from p2phd_eval.config import (
    DataConfig,
    DiscriminatorConfig,
    FeatureConfig,
    GeneratorConfig,
    ObjectiveConfig,
    TrainConfig,
)
from p2phd_eval.generators.data.batch import Batch, regions_of
from p2phd_eval.generators.networks.conditioning import encode
from p2phd_eval.generators.networks.synthesis import Synthesis
from p2phd_eval.generators.training.step import Pix2PixHD

Arrays = dict[str, npt.NDArray[Any]]


def drawn_batch(original: dict[str, Any], i: int) -> Arrays:
    """Return batch `i` of the data that `data_seed` stands for.

    Class regions are 8 x 8 pixels, instances 4 x 4 within them, photos and features are coloured by region. An
    instance number is 1000 * class + k, as in Cityscapes, with k below 3: instances of several blocks, equal numbers
    in several samples of a batch.
    """
    random = np.random.RandomState(original["data_seed"] + i)
    n, height, width = original["batch"], original["h"], original["w"]

    def blocks(values: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
        return values.repeat(side, axis=2).repeat(side, axis=3)

    classes = random.randint(0, original["label_nc"] or 5, (n, 1, height // 8, width // 8))
    parts = random.randint(0, 3, (n, 1, height // 4, width // 4))
    colours = random.uniform(-0.8, 0.8, (2, n, 3, height // 8, width // 8))
    noise = random.uniform(-0.2, 0.2, (n, 3, height, width))
    features = random.uniform(-1.0, 1.0, (n, 3, height // 4, width // 4))
    label = blocks(classes, 8)
    return {
        "label": label.astype(np.int32) if original["label_nc"] else blocks(colours[1], 8).astype(np.float32),
        "inst": (1000 * label + blocks(parts, 4)).astype(np.int32),
        "real": (blocks(colours[0], 8) + noise).astype(np.float32),
        "feat": blocks(features, 4).astype(np.float32),
    }


def batch_of(original: dict[str, Any], drawn: Arrays) -> Batch:
    """Return drawn arrays as the batch that a model of the configuration takes."""
    tensors = {name: torch.from_numpy(array) for name, array in drawn.items()}
    return Batch(
        triplets=(),
        label=tensors["label"],
        instance=None if original["no_instance"] else tensors["inst"],
        photo=tensors["real"],
        features=tensors["feat"] if original["load_features"] else None,
    )


def networks_of(model: Pix2PixHD) -> dict[str, nn.Module]:
    """Return the networks by the original's names: G, D and, where there is one, E."""
    found = {"G": model.generator, "D": model.discriminator, "E": model.encoder}
    return {name: network for name, network in found.items() if network is not None}


def output_of(model: Pix2PixHD, batch: Batch) -> torch.Tensor:
    """Return what the networks of a model make of a batch as they stand, (N, 3, H, W) in [-1, 1]."""
    config, features = model.config, batch.features
    dtype = model.precision.weights_dtype
    with torch.no_grad():
        if model.encoder is not None:
            assert batch.photo is not None
            features = model.encoder(batch.photo.to(dtype), *regions_of(batch, config))
        conditioning = encode(batch.label, batch.instance, config.data.label_nc).to(dtype)
        return Synthesis(model.generator, model.encoder)(conditioning, features=features)


def config_of(original: dict[str, Any], vgg: str = "none") -> TrainConfig:
    """Return the configuration that the original's options stand for; `vgg` is the file for its VGG loss."""
    encodes = "instance" if original["instance_feat"] else "label" if original["label_feat"] else "none"
    return TrainConfig(
        data=DataConfig(label_nc=original["label_nc"], instances=not original["no_instance"], load_size=original["w"]),
        generator=GeneratorConfig(
            kind=original["netG"],
            ngf=original["ngf"],
            n_downsample=original["n_downsample_global"],
            n_blocks=original["n_blocks_global"],
            n_local_enhancers=original["n_local_enhancers"],
            n_blocks_local=original["n_blocks_local"],
            norm=original["norm"],
        ),
        features=FeatureConfig(
            kind=encodes,
            n_features=original["feat_num"],
            nef=original["nef"],
            n_downsample=original["n_downsample_E"],
            precomputed=original["load_features"],
        ),
        discriminator=DiscriminatorConfig(
            ndf=original["ndf"], n_layers=original["n_layers_D"], n_scales=original["num_D"], norm=original["norm"]
        ),
        objective=ObjectiveConfig(
            gan="vanilla" if original["no_lsgan"] else "lsgan",
            feature_matching=not original["no_ganFeat_loss"],
            lambda_feat=original["lambda_feat"],
            vgg="none" if original["no_vgg_loss"] else vgg,
            pool_size=original["pool_size"],
        ),
        lr=original["lr"],
        beta1=original["beta1"],
        batch_size=original["batch"],
        epochs=original.get("niter", 100),  # not written down for the trajectories that stay below it
        epochs_decay=original["niter_decay"],
        epochs_fix_global=original["niter_fix_global"],
        seed=original.get("pool_seed", 0),  # the original draws from Python's generator, which starts from this
    )
