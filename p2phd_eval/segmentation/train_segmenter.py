"""A segmenter trained on one's own photos and label maps: minutes on a CPU, resumable to the bit."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from p2phd_eval.devices import find_device
from p2phd_eval.errors import LARGEST_SEED, DivergenceError, InputError, require_whole
from p2phd_eval.features.networks.float32_products import float32_products
from p2phd_eval.features.networks.module_features import IMAGENET_MEAN, IMAGENET_STD
from p2phd_eval.files import atomic_write
from p2phd_eval.locks import hold_file
from p2phd_eval.progress import ProgressFactory, silent
from p2phd_eval.segmentation.class_map import require_label_numbers
from p2phd_eval.segmentation.labelled_photos import IGNORED, LabelledPhotos, read_labelled_photos
from p2phd_eval.segmentation.module_segmenter import ModuleSegmenter
from p2phd_eval.segmentation.trained_file import Header, HeldOut, Recipe, read_header, write_trained
from p2phd_eval.segmentation.u_net import UNet
from p2phd_eval.stats.segmentation.class_counts import (
    class_ious,
    confusion_matrix,
    counts_of_confusions,
    segmentation_scores,
)
from p2phd_eval.stats.segmentation.score_names import SegmentationScore
from p2phd_eval.targets import require_file_target
from p2phd_eval.tensor_files import is_finite, read_tensors, tensor_fault
from p2phd_eval.user_folders import cache_folder

_SAVE_EVERY = 100  # steps
_HELD_OUT = 10  # one photo of so many
_CROP = 0.875  # of either side
_WARM_UP = 20  # the learning rate rises over one step of so many
_STREAM = 0x5E6  # keeps the seed's random numbers apart from those of other trainings


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedSegmenter:
    """Where a segmenter is, and how well it reads photos that it was not trained on."""

    path: Path
    header: Header

    def __str__(self) -> str:
        held_out, recipe = self.header.held_out, self.header.recipe
        return (
            f"Segmenter {self.path}: {len(self.header.classes)} classes, {self.header.photos} training photos "
            f"{recipe.width} pixels wide, {recipe.steps} steps. On {held_out.photos} other photos of that set: "
            f"mean IoU {held_out.mean_iou:.1f} %, pixel accuracy {held_out.pixel_accuracy:.1f} %."
        )


def train_segmenter(
    data: Path,
    out: Path | None = None,
    *,
    width: int | None = None,
    steps: int = 1500,
    seed: int = 0,
    ignore: Sequence[int] = (255,),
    device: str | torch.device | None = None,
    progress: ProgressFactory = silent,
) -> TrainedSegmenter:
    """Train a segmenter on ``<data>/train_img`` and ``<data>/train_label``.

    A U-Net, by the cross entropy in which rare classes weigh more, on mirrored crops and nothing else: a segmenter that
    is taught blurred or noisy photos would read harm away. A tenth of the photos, the last by name, is kept to say how
    well it reads. Killed at any moment and called again, it goes on from the last hundred steps, and ends, on a CPU,
    with the same bits.

    Parameters
    ----------
    data : Path
        A data set in pix2pixHD's layout.
    out : Path, optional
        The file to write, such as ``segmenter.safetensors``. A segmenter that is there already and was trained so on
        these photos is taken as it is. By default one in the cache.
    width : int, optional
        At which it reads photos, in training and ever after, in pixels; choose that of the samples. By default that of
        the photos, 256 at most.
    steps : int, optional
        Of eight photos each.
    seed : int, optional
        Decides everything that is random.
    ignore : sequence of int, optional
        Labels that stand for no class.
    device : str or torch.device, optional
        By default the best one.
    progress : ProgressFactory, optional

    Returns
    -------
    TrainedSegmenter

    Raises
    ------
    InputError
        For unusable data or settings; or where `out` holds something else or cannot be written.
    """
    require_whole(1, 2**31, {"--steps": steps})
    require_whole(16, 2**14, {"--width": width})
    require_whole(0, LARGEST_SEED, {"--seed": seed})
    require_label_numbers(ignore)
    where = find_device(device)
    kept = cache_folder() / "segmenters"
    require_file_target(kept / "new.safetensors" if out is None else out, "--out", ending=".safetensors")
    if out is not None and out.is_file():
        read_header(out)  # what is no segmenter is refused before the photos are read
    photos = read_labelled_photos(data, phase="train", width=width, ignore=ignore, progress=progress)
    if len(photos) < 2:
        raise InputError(str(data), expected="two training photos or more, of which one is kept", found="one")
    recipe = Recipe(
        width=photos.photos[0].shape[1],
        channels=8,
        depth=4,
        steps=steps,
        batch_size=8,
        learning_rate=3e-3,
        seed=seed,
        ignore=tuple(sorted(set(ignore))),
    )
    record = _record(recipe, photos)
    path = kept / f"{record}.safetensors" if out is None else out
    with hold_file(path, patience=math.inf if out is None else 0.0):
        if path.exists():
            return TrainedSegmenter(path=path, header=_finished(path, recipe, photos))
        header = _train(path, photos, recipe, record, where, progress)
    return TrainedSegmenter(path=path, header=header)


def _finished(path: Path, recipe: Recipe, photos: LabelledPhotos) -> Header:
    """Return the header of a segmenter that is there already; raise InputError if it was trained otherwise."""
    header = read_header(path)
    for expected, found in ((recipe, header.recipe), (photos.classes, header.classes)):
        if expected != found:
            raise _another(path, "one of other settings or classes")
    if header.data_sha256 != photos.sha256:
        raise _another(path, "one of other photos")
    return header


def _another(path: Path, found: str) -> InputError:
    fix = "Name another file, or remove this one."
    return InputError(str(path), expected="the segmenter of these photos and settings", found=found, fix=fix)


def _record(recipe: Recipe, photos: LabelledPhotos) -> str:
    """SHA-256 of what decides a training, but for the versions of code and torch."""
    decides = [msgspec.to_builtins(recipe), photos.classes, photos.sha256]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _train(
    path: Path, photos: LabelledPhotos, recipe: Recipe, record: str, device: torch.device, progress: ProgressFactory
) -> Header:
    kept = max(1, len(photos) // _HELD_OUT)
    learned = len(photos) - kept
    unfinished = path.with_name(f"{path.name}.unfinished")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_number(recipe.seed, 0))
        network = UNet(len(photos.classes), channels=recipe.channels, depth=recipe.depth)
    network.to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=1e-2)
    done = _resume(unfinished, network, optimizer, record) if unfinished.exists() else 0
    weights = _class_weights(photos).to(device)
    mean, std = (torch.tensor(each, device=device)[:, None, None] for each in (IMAGENET_MEAN, IMAGENET_STD))
    with progress("train the segmenter", "steps") as on_progress, float32_products():
        for step in range(done, recipe.steps):
            on_progress(step, recipe.steps)
            images, labels = _batch(photos, learned, recipe, step)
            values = (images.to(device).permute(0, 3, 1, 2).to(torch.float32) / 255 - mean) / std
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * _share_of_rate(step, recipe.steps)
            loss = functional.cross_entropy(network(values), labels.to(device).long(), weights, ignore_index=IGNORED)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if (step + 1) % _SAVE_EVERY == 0:
                if not math.isfinite(loss.item()):
                    raise DivergenceError(
                        f"the segmenter at step {step + 1}", expected="a finite loss", found=str(loss)
                    )
                _save(unfinished, network, optimizer, record, step + 1)
        on_progress(recipe.steps, recipe.steps)
    header = Header(
        format=1,
        classes=photos.classes,
        recipe=recipe,
        photos=learned,
        data_sha256=photos.sha256,
        held_out=_held_out(network, photos, learned, recipe, device),
    )
    write_trained(path, network, header)
    unfinished.unlink(missing_ok=True)
    return header


def _class_weights(photos: LabelledPhotos) -> Tensor:
    """One over the root of each class's share of the pixels, scaled so that a pixel weighs 1 on average: float32 (K,).

    Without weights a network of few channels finds the large classes alone.
    """
    classes = len(photos.classes)
    pixels = sum(torch.bincount(each[each >= 0].long(), minlength=classes) for each in photos.labels)
    assert isinstance(pixels, Tensor)
    shares = pixels.double() / pixels.double().sum()
    weights = shares.clamp(min=1e-6) ** -0.5
    return (weights / (weights * shares).sum()).float()


def _batch(photos: LabelledPhotos, learned: int, recipe: Recipe, step: int) -> tuple[Tensor, Tensor]:
    """Cut and mirror the photos of a step: uint8 (n, h, w, 3) and int16 (n, h, w), decided by seed and step alone."""
    size = min(recipe.batch_size, learned)
    epoch, place = divmod(step, learned // size)
    order = np.random.default_rng([_STREAM, recipe.seed, 0, epoch]).permutation(learned)
    rng = np.random.default_rng([_STREAM, recipe.seed, 1, step])
    chosen = order[place * size : (place + 1) * size].tolist()
    height = max(1, round(_CROP * min(photos.photos[index].shape[0] for index in chosen)))
    width = max(1, round(_CROP * recipe.width))
    images, labels = [], []
    for index in chosen:
        image, label = photos.photos[index], photos.labels[index]
        top, left = (int(rng.integers(old - new + 1)) for old, new in zip(label.shape, (height, width), strict=True))
        window = slice(top, top + height), slice(left, left + width)
        mirror = [1] if rng.random() < 0.5 else []
        images.append(image[window].flip(mirror))
        labels.append(label[window].flip(mirror))
    return torch.stack(images), torch.stack(labels)


def _share_of_rate(step: int, steps: int) -> float:
    """The learning rate as a share of the largest: a short rise, then DeepLab's polynomial fall to zero."""
    fall: float = (1 - step / steps) ** 0.9
    return min(1.0, (step + 1) * _WARM_UP / steps) * fall


def _number(seed: int, stream: int) -> int:
    return int(np.random.default_rng([_STREAM, seed, 2, stream]).integers(2**63))


def _held_out(network: UNet, photos: LabelledPhotos, learned: int, recipe: Recipe, device: torch.device) -> HeldOut:
    segmenter = ModuleSegmenter(network, name="", classes=photos.classes, device=device, width=recipe.width)
    confusions = [
        confusion_matrix(
            photos.labels[index].numpy(),
            segmenter(photos.photos[index][None])[0].cpu().numpy(),
            len(photos.classes),
            ignore=IGNORED,
        )
        for index in range(learned, len(photos))
    ]
    counts = counts_of_confusions(np.stack(confusions))
    scores, ious = segmentation_scores(counts), class_ious(counts).tolist()
    return HeldOut(
        photos=len(photos) - learned,
        pixel_accuracy=scores[SegmentationScore.PIXEL_ACCURACY],
        mean_iou=scores[SegmentationScore.MEAN_IOU],
        iou=tuple(None if math.isnan(each) else each for each in ious),
    )


def _save(path: Path, network: UNet, optimizer: torch.optim.Optimizer, record: str, step: int) -> None:
    moments = optimizer.state_dict()["state"]
    content = {"record": record, "step": step, "network": network.state_dict(), "moments": moments}
    with atomic_write(path) as stream:
        torch.save(content, stream)


def _resume(path: Path, network: UNet, optimizer: torch.optim.Optimizer, record: str) -> int:
    """Take over what `_save` wrote and return its step; raise InputError if it is another training's, or damaged."""
    fix = "Remove it to start from the beginning."
    expected = "an unfinished training of a segmenter"
    stored: Any = read_tensors(path, expected=expected, fix=fix)
    if not isinstance(stored, dict) or stored.keys() != {"record", "step", "network", "moments"}:
        raise InputError(str(path), expected=expected, found="something else", fix=fix)
    if stored["record"] != record:
        found = "one of other photos or settings"
        raise InputError(str(path), expected="a training of these photos and settings", found=found, fix=fix)
    weights = list(network.parameters())
    shapes: dict[tuple[str | int, ...], Tensor] = {
        ("network", key): value for key, value in network.state_dict().items()
    }
    for number, weight in enumerate(weights):
        shapes |= {("moments", number, key): weight for key in ("exp_avg", "exp_avg_sq")}
        shapes["moments", number, "step"] = torch.zeros(())
    for (part, *keys), like in shapes.items():
        value = stored[part]
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        fault = tensor_fault(value, like.shape, whole=like.dtype == torch.int64)
        if fault is None and not is_finite(value):
            fault = "NaN or infinity"
        if fault is not None:
            where = f"{path}, {'.'.join(map(str, (part, *keys)))}"
            raise InputError(where, expected=f"numbers of shape {tuple(like.shape)}", found=fault, fix=fix)
    network.load_state_dict(stored["network"])
    optimizer.load_state_dict({"state": stored["moments"], "param_groups": optimizer.state_dict()["param_groups"]})
    return int(stored["step"])
