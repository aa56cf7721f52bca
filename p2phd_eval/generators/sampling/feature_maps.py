"""Feature maps of a data set's photos: the encoder over whole images, and maps stored for a later training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from p2phd_eval.config import DataConfig, TrainConfig
from p2phd_eval.devices import describe_device, find_device
from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.checkpoint import Checkpoint
from p2phd_eval.generators.data.batch import Batch, photo_array, regions_of
from p2phd_eval.generators.data.contents import image_name, read_contents
from p2phd_eval.generators.data.dataset import TripletDataset, load_batches
from p2phd_eval.generators.data.triplets import Triplet, feature_folder
from p2phd_eval.generators.networks.encoder import Encoder, build_encoder
from p2phd_eval.generators.original.checkpoint_folder import open_source
from p2phd_eval.generators.sampling.inference import for_inference
from p2phd_eval.generators.training.precision import PRECISIONS, Precision, backend_flags
from p2phd_eval.images.decoding import image_size
from p2phd_eval.images.image_folder import require_image_folder, write_manifest
from p2phd_eval.images.made_images import Journal, finish, settle
from p2phd_eval.locks import hold_folder
from p2phd_eval.memory import memory_for
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard
from p2phd_eval.versions import versions

_AWAY = "Move the folder away: it is not of maps that p2phd-eval made."


@dataclass(frozen=True, kw_only=True)
class PrecomputeResult:
    """How a call of `precompute` ended."""

    folder: Path
    written: int  # maps made by this call
    kept: int  # maps that were there already
    manifest: dict[str, Any]


def whole_images(
    config: TrainConfig, data: Path, phase: str, *, photos: bool, fit: DataConfig | None = None
) -> TripletDataset:
    """Return a phase of a data set as sampling sees it: whole images, not mirrored, no precomputed features.

    `fit`: how images are made to fit; by default as while training.
    """
    return TripletDataset(
        data,
        phase,
        fit or config.data,
        size_multiple=config.size_multiple,
        photos=photos,
        augment_seed=None,
        features=replace(config.features, precomputed=False),
    )


def load_encoder(checkpoint: Checkpoint, where: str, *, device: torch.device, precision: Precision) -> Encoder:
    """Return the encoder of a checkpoint, ready to encode; raises InputError if the checkpoint has none."""
    config = checkpoint.config
    if "E" not in checkpoint.networks:
        trained = config.features.kind != "none"
        raise InputError(
            where,
            expected="a checkpoint with a feature encoder",
            found="features of unknown origin" if trained else "a model without features",
            fix="With --load-features, start the training by --load-pretrain from the run that encoded them."
            if trained
            else "Train with --features instance or --features label.",
        )
    with torch.device("meta"):  # without data until the checkpoint's come
        encoder = build_encoder(config.features, config.generator.norm)
    return for_inference(encoder, checkpoint.networks["E"], f"{where}, E", device=device, precision=precision)


class PhotoEncoder:
    """The encoder of a checkpoint over the photos of one phase, in float32.

    `checkpoint_path`: for errors. `data`: a data set in pix2pixHD's layout, with photos. Raises `InputError` if the
    checkpoint has no encoder or the data set is unusable.
    """

    def __init__(
        self, checkpoint_path: Path, checkpoint: Checkpoint, data: Path, phase: str, device: torch.device
    ) -> None:
        self.config = checkpoint.config
        self._device = device
        self._precision = PRECISIONS["fp32"]
        self._encoder = load_encoder(checkpoint, str(checkpoint_path), device=device, precision=self._precision)
        self._dataset = whole_images(self.config, data, phase, photos=True)

    @property
    def triplets(self) -> tuple[Triplet, ...]:
        """The files of all samples."""
        return self._dataset.triplets

    def encode(self, indices: Sequence[int]) -> Iterator[tuple[Batch, torch.Tensor]]:
        """Yield samples one by one, in order, each with its features.

        Yields
        ------
        batch : Batch
            A batch of one sample, on the device.
        features : Tensor, float32, shape (1, n_features, H, W)
            In [-1, 1], equal over each region.
        """
        for batch in load_batches(self._dataset, [[(0, i)] for i in indices], self._device):
            regions, n_regions = regions_of(batch, self.config)
            with backend_flags(self._precision), torch.no_grad():
                features = self._encoder(batch.photo, regions, n_regions)
            yield batch, features


@memory_for("encoding", "Use a --device with more memory, or smaller images.")
def precompute(
    source: str | Path,
    data: str | Path,
    *,
    phase: str = "train",
    which_epoch: str | None = None,
    label_nc: int | None = None,
    instances: bool | None = None,
    device: str | torch.device | None = None,
    progress: ProgressFactory = silent,
    note: Note = unheard,
) -> PrecomputeResult:
    """Write the feature map of every photo to `<data>/<phase>_feat`, for a training at a higher resolution.

    A map is an RGB image of the label map's name and size (nearest), [-1, 1] rounded to 256 levels. Maps that an
    earlier call with the same checkpoint finished are kept, known by the contents of what they were made from.

    `source`: a run folder, a checkpoint or a folder of the original, with an encoder of 3 features. `data`: a data set
    in pix2pixHD's layout, with photos. `which_epoch`, `label_nc`, `instances`: for a folder of the original, see
    `read_original`. `device`: by default cuda, mps or cpu, the first that there is. Raises `InputError` for a
    checkpoint without such an encoder, unusable data, a folder with other feature maps, or one that another process
    writes to.
    """
    data, on = Path(data), find_device(device)
    checkpoint_path, checkpoint = open_source(
        Path(source), which_epoch=which_epoch, label_nc=label_nc, instances=instances
    )
    note(f"device: {describe_device(on)}")
    config = checkpoint.config
    photos = PhotoEncoder(checkpoint_path, checkpoint, data, phase, on)
    if config.features.n_features != 3:
        raise InputError(
            str(checkpoint_path),
            expected="an encoder of 3 features, the channels of a PNG",
            found=str(config.features.n_features),
        )
    folder = data / feature_folder(phase)
    manifest = {
        "checkpoint_sha256": file_sha256(checkpoint_path),
        "config": config.to_dict(),
        "phase": phase,
        "n_images": len(photos.triplets),
        "device": describe_device(on),
        "versions": versions(),
    }
    fix = "Delete the folder, or move it away, to compute its maps anew."
    with hold_folder(folder):
        require_image_folder(folder, manifest, identity=("checkpoint_sha256", "phase"), fix=fix, foreign=_AWAY)
        wanted = read_contents(photos.triplets, progress)
        with progress("look at the maps that are there", "maps") as on_progress:
            settled = settle(folder, wanted, fix=fix, on_progress=on_progress)
        write_manifest(folder, manifest)
        for sentence in settled.notes:
            note(sentence)
        names = [image_name(triplet) for triplet in photos.triplets]
        todo = [i for i, name in enumerate(names) if not (folder / name).exists()]
        kept, journal = len(settled.kept), Journal(folder, 0)
        with progress("encode", "photos") as on_progress:
            for done, (i, (batch, features)) in enumerate(zip(todo, photos.encode(todo), strict=True), start=1):
                size = image_size(batch.triplets[0].label)
                enlarged = Image.fromarray(photo_array(features[0])).resize(size, Image.Resampling.NEAREST)
                journal.write(names[i], batch.contents[0], np.asarray(enlarged))
                on_progress(kept + done, len(names))
        finish(folder, wanted)
    return PrecomputeResult(folder=folder, written=len(todo), kept=kept, manifest=manifest)
