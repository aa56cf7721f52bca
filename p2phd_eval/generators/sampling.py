"""Checkpoint to image folder: one PNG a label map and a manifest that names every input."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from p2phd_eval.devices import describe_device
from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256, write_json
from p2phd_eval.generators.checkpoint import find_checkpoint, load_checkpoint, load_network, versions
from p2phd_eval.generators.conditioning import conditioning_channels, encode
from p2phd_eval.generators.dataset import Place, TripletDataset, load_batches, photo_array
from p2phd_eval.generators.networks import build_generator
from p2phd_eval.generators.precision import find_precision, tensor_core_flags
from p2phd_eval.generators.triplets import Triplet
from p2phd_eval.images import write_png

MANIFEST = "manifest.json"
# What two calls must agree in to write into one folder.
_IDENTITY = ("checkpoint_sha256", "config", "sampling_precision", "phase", "seed")


@dataclass(frozen=True, kw_only=True)
class SampleResult:
    """How a call of `generate` ended."""

    folder: Path
    written: int  # images made by this call
    kept: int  # images that were there already
    size: tuple[int, int]  # width and height in pixels of the last image made; (0, 0) if none was
    manifest: dict[str, Any]


def generate(
    source: Path,
    data: Path,
    out: Path,
    *,
    device: torch.device,
    phase: str = "test",
    precision_name: str = "fp32",
    batch_size: int = 4,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> SampleResult:
    """Generate a photo for every label map of `<data>/<phase>_*`.

    Parameters
    ----------
    source : Path
        A run folder (its newest checkpoint) or a checkpoint file.
    data : Path
        A data set in pix2pixHD's layout; photos are not needed.
    out : Path
        The image folder. Images that an earlier call with the same checkpoint and settings finished are kept.
    device : torch.device
    phase : str
        Which part of the data set.
    precision_name : str
        Precision of sampling, a name of `PRECISIONS`; by default fp32, whatever the training used, so that two
        checkpoints are compared and not two ways to run them.
    batch_size : int
        Images of one size that go through the network together.
    seed : int
        Of torch's generator; only networks with randomness at test time depend on it.
    on_progress : callable, optional
        Called with (finished images, all images).

    Raises
    ------
    InputError
        For an unusable checkpoint or data set, or a folder with samples made in another way.
    """
    checkpoint_path = find_checkpoint(source)
    checkpoint = load_checkpoint(checkpoint_path)
    config = checkpoint.config
    precision = find_precision(precision_name, device)
    dataset = TripletDataset(
        data, phase, config.data, size_multiple=config.generator.size_multiple, photos=False, augment_seed=None
    )
    manifest = {
        "checkpoint_sha256": file_sha256(checkpoint_path),
        "config": config.to_dict(),
        "training_precision": config.precision,
        "training_step": checkpoint.step,
        "sampling_precision": precision.name,
        "phase": phase,
        "seed": seed,
        "n_images": len(dataset),
        "device": describe_device(device),
        "versions": versions(),
    }
    _open_folder(out, manifest)

    generator = build_generator(config.generator, conditioning_channels(config.data))
    load_network(generator, checkpoint.networks["G"], f"{checkpoint_path}, G")
    generator.to(device).eval()
    torch.manual_seed(seed)

    todo = [i for i, triplet in enumerate(dataset.triplets) if not _path(out, triplet).exists()]
    kept = len(dataset) - len(todo)
    written, size = 0, (0, 0)
    with tensor_core_flags(precision), torch.inference_mode():
        for batch in load_batches(dataset, _equal_sized(dataset, todo, batch_size), device):
            conditioning = encode(batch.label, batch.instance, config.data.label_nc)
            with precision.autocast(device):
                photos = generator(conditioning).float()
            for triplet, photo in zip(batch.triplets, photos, strict=True):
                if not bool(photo.isfinite().all()):
                    raise InputError(
                        f"sample {triplet.key!r}",
                        expected="finite numbers",
                        found="NaN or infinity",
                        fix=f"The checkpoint is damaged, or {precision.name} overflows: try --precision fp32.",
                    )
                write_png(_path(out, triplet), photo_array(photo))
                written += 1
                size = (photo.shape[-1], photo.shape[-2])
                if on_progress:
                    on_progress(kept + written, len(dataset))
    return SampleResult(folder=out, written=written, kept=kept, size=size, manifest=manifest)


def _path(out: Path, triplet: Triplet) -> Path:
    return out / f"{triplet.label.stem}.png"


def _open_folder(out: Path, manifest: dict[str, Any]) -> None:
    path = out / MANIFEST
    if path.exists():
        try:
            before = json.loads(path.read_text())
            changed = [key for key in _IDENTITY if before[key] != manifest[key]]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                str(path),
                expected="the manifest of an image folder",
                found=f"{type(error).__name__}: {error}",
                fix="Choose another --out.",
            ) from error
        if changed:
            raise InputError(
                str(out),
                expected="samples of this checkpoint and these settings",
                found=f"samples with another {changed[0].replace('_', ' ')}",
                fix="Choose another --out, or delete the folder.",
            )
    elif out.is_dir() and any(out.iterdir()):
        raise InputError(
            str(out),
            expected=f"an empty folder or one with a {MANIFEST}",
            found="other files",
            fix="Choose another --out.",
        )
    write_json(path, manifest)


def _equal_sized(dataset: TripletDataset, indices: list[int], batch_size: int) -> list[list[Place]]:
    """Group consecutive samples whose label maps have one size, at most `batch_size` in a group."""
    groups: list[list[Place]] = []
    last = None
    for i in indices:
        # Only the header is read.
        with Image.open(dataset.triplets[i].label) as image:
            size = image.size
        if size != last or len(groups[-1]) == batch_size:
            groups.append([])
        groups[-1].append((0, i))
        last = size
    return groups
