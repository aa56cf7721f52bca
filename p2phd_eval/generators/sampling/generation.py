"""Checkpoint to image folder: one PNG a label map and a manifest that names every input."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from msgspec import structs

from p2phd_eval.beside import run_beside
from p2phd_eval.config import TrainConfig
from p2phd_eval.devices import describe_device, find_device
from p2phd_eval.distributed import Ranks, local_device, ranks_from_environment
from p2phd_eval.errors import DivergenceError, InputError, require_at_least
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.checkpoint import Checkpoint
from p2phd_eval.generators.data.batch import Batch, photo_array, regions_of
from p2phd_eval.generators.data.contents import image_name, read_contents
from p2phd_eval.generators.data.dataset import Place, TripletDataset, load_batches
from p2phd_eval.generators.data.triplets import Triplet
from p2phd_eval.generators.networks.conditioning import conditioning_channels, encode
from p2phd_eval.generators.networks.generator import build_generator
from p2phd_eval.generators.networks.synthesis import Synthesis
from p2phd_eval.generators.original.checkpoint_folder import open_source
from p2phd_eval.generators.sampling.feature_maps import load_encoder, whole_images
from p2phd_eval.generators.sampling.inference import for_inference, most_at_once
from p2phd_eval.generators.sampling.label_lookup import class_and_edge, look_labels_up
from p2phd_eval.generators.sampling.styles import STYLES, Clusters, clusters_path, draw_style, load_clusters
from p2phd_eval.generators.training.least_memory import least_sampling_bytes
from p2phd_eval.generators.training.precision import Precision, backend_flags, find_precision
from p2phd_eval.images.decoding import image_size
from p2phd_eval.images.image_folder import Manifest, require_image_folder, write_manifest
from p2phd_eval.images.made_images import Contents, Journal, Settled, finish, settle
from p2phd_eval.locks import hold_folder
from p2phd_eval.memory import memory_for, require_memory
from p2phd_eval.progress import Note, OnProgress, ProgressFactory, silent, unheard
from p2phd_eval.versions import versions

# What two calls must agree in to write into one folder.
_IDENTITY = (
    *("checkpoint_sha256", "config", "sampling_precision", "sampling_arithmetic", "phase", "seed", "style"),
    "clusters_sha256",
)


@dataclass(frozen=True, kw_only=True)
class SampleResult:
    """How a call of `generate` ended."""

    folder: Path
    written: int  # images made by this call, on all ranks
    kept: int  # images that were there already, made from what is there now
    remade: int = 0  # of those written: there was another image, or what it was made from has changed
    removed: int = 0  # images whose label map is gone
    size: tuple[int, int]  # width and height in pixels of the last image of this rank; (0, 0) if it made none
    manifest: Manifest

    def __str__(self) -> str:
        size = f" of {self.size[0]} x {self.size[1]}" if self.written else ""
        return f"{self.written} images{size} written to {self.folder}, {self.kept} kept from before."

    def __repr__(self) -> str:
        return f"SampleResult: {self}"


_LESS = "Reduce --batch-size; use a reduced --precision, such as amp-bf16; or a --device with more memory."


@memory_for("generation", _LESS)
def generate(
    source: str | Path,
    data: str | Path,
    out: str | Path,
    *,
    phase: str = "test",
    precision: str = "fp32",
    arithmetic: str | None = None,
    batch_size: int = 4,
    seed: int = 0,
    style: str | None = None,
    clusters: Path | None = None,
    which_epoch: str | None = None,
    label_nc: int | None = None,
    instances: bool | None = None,
    device: str | torch.device | None = None,
    ranks: Ranks | None = None,
    progress: ProgressFactory = silent,
    note: Note = unheard,
) -> SampleResult:
    """Generate a photo for every label map of `<data>/<phase>_*`.

    Parameters
    ----------
    source : str or Path
        A run folder (its newest checkpoint), a checkpoint file, or a folder of the original with its `.pth` files.
    data : str or Path
        A data set in pix2pixHD's layout; photos are needed for the style "photo" alone.
    out : str or Path
        The image folder. Images that an earlier call with the same checkpoint and settings finished are kept, known by
        the contents of what they were made from and by their own; those of a label map that has changed are made again,
        those of one that is gone are removed.
    phase : str
        Which part of the data set.
    precision : str
        Precision of sampling, a name of `PRECISIONS`; by default fp32, whatever the training used, so that two
        checkpoints are compared and not two ways to run them. In 8 bits each image is scaled by itself, whatever
        scales the training had.
    arithmetic : str, optional
        "native" or "emulated": how convolutions in 16 bits are computed; by default native where the device has
        instructions for them.
    batch_size : int
        Images of one size that go through the network together; with batch norm always 1.
    seed : int
        Draws the styles; other sampling has nothing random.
    style : str, optional
        Where the features of a model with an encoder come from. "clusters", the default: for each region a random
        centre of its class; "photo": the photo of the data set is encoded.
    clusters : Path, optional
        File of `Clusters`; by default that of the run folder.
    which_epoch, label_nc, instances
        For a folder of the original, see `read_original`.
    device : str or torch.device, optional
        By default cuda, mps or cpu, the first that there is.
    ranks : Ranks, optional
        The processes that share the work, by batches, by default those that torchrun started; the files are those of
        one process.
    progress : ProgressFactory
    note : callable
        Told what goes on.

    Raises
    ------
    InputError
        For an unusable checkpoint or data set, clusters that are missing or another checkpoint's, a style for a model
        without features, a folder with samples made in another way or of other data, or one that another process
        writes to; a label map that changes meanwhile.
    DivergenceError
        For a sample that is not finite.
    """
    require_at_least(1, {"--batch-size": batch_size})
    require_at_least(0, {"--seed": seed})
    source, data, out = Path(source), Path(data), Path(out)
    on = local_device(find_device(device))
    with ranks_from_environment(on) if ranks is None else nullcontext(ranks) as joined:
        spread = f", {joined.size} ranks" if joined.size > 1 else ""
        if joined.is_first:
            note(f"device: {describe_device(on)}{spread}, sampling precision: {precision}")
        checkpoint_path, checkpoint = open_source(
            source, which_epoch=which_epoch, label_nc=label_nc, instances=instances
        )
        config = checkpoint.config
        chosen = find_precision(precision, on, arithmetic, for_training=False)
        if chosen.emulated and joined.is_first:
            note(f"{chosen.name} is emulated: quality as on tensor cores, speed not.")
        style = _choose_style(style, clusters, config)
        checkpoint_sha256 = file_sha256(checkpoint_path)
        loaded = path = None
        if style == "clusters":
            path = clusters_path(source, clusters, "--clusters")
            loaded = load_clusters(path, checkpoint, checkpoint_sha256, f"{source} {data}")
        dataset = whole_images(config, data, phase, photos=style == "photo")
        manifest = Manifest(
            checkpoint_sha256=checkpoint_sha256,
            config=config.to_dict(),
            training_precision=config.precision,
            training_step=checkpoint.step,
            sampling_precision=chosen.name,
            sampling_arithmetic=chosen.arithmetic,
            phase=phase,
            seed=seed,
            style=style,
            clusters_sha256=None if path is None else file_sha256(path),
            n_images=len(dataset),
            device=describe_device(on),
            versions=versions(),
        )
        sampler = _Sampler(checkpoint_path, checkpoint, on, chosen, encodes=style == "photo", clusters=loaded)

        wanted: Mapping[str, Contents] = {}
        settled = Settled(kept=())
        with hold_folder(out) if joined.is_first else nullcontext():
            if joined.is_first:
                fix = "Choose another --out, or delete the folder."
                values = structs.asdict(manifest)
                require_image_folder(out, values, identity=_IDENTITY, fix=fix, foreign="Choose another --out.")
                wanted = read_contents(dataset.triplets, progress)
                with progress("look at the images that are there", "images") as on_progress:
                    settled = settle(out, wanted, fix=fix, on_progress=on_progress)
                write_manifest(out, values)
                for sentence in settled.notes:
                    note(sentence)
            joined.wait()  # what is there now stays
            todo = [i for i, triplet in enumerate(dataset.triplets) if not _path(out, triplet).exists()]
            kept = len(dataset) - len(todo)
            # Whole batches are shared, so that each holds the images that it would hold without other ranks.
            batches = _equal_sized(dataset, todo, most_at_once(config, batch_size))[joined.rank :: joined.size]
            needed = (least_sampling_bytes(config, dataset.size_of(b[0]), chosen, len(b)) for b in batches)
            require_memory(max(needed, default=0), on, "generation", _LESS)
            joined.wait()  # no rank writes before all have seen what is there
            with progress(f"generate, first of {joined.size} ranks" if spread else "generate", "images") as on_progress:
                written, size = sampler.write(
                    dataset, batches, Journal(out, joined.rank), seed, kept=kept, on_progress=on_progress
                )
            written = round(joined.mean({"written": float(written)})["written"] * joined.size)
            if joined.is_first:
                finish(out, wanted)
    return SampleResult(
        folder=out,
        written=written,
        kept=kept,
        remade=len(settled.outdated) + len(settled.altered),
        removed=len(settled.removed),
        size=size,
        manifest=manifest,
    )


class _Sampler:
    """The networks of a checkpoint, and where the features come from if the generator takes some."""

    def __init__(
        self,
        checkpoint_path: Path,
        checkpoint: Checkpoint,
        device: torch.device,
        precision: Precision,
        *,
        encodes: bool,
        clusters: Clusters | None,
    ) -> None:
        self._config, self._clusters = checkpoint.config, clusters
        self._device, self._precision = device, precision
        channels = conditioning_channels(self._config.data) + self._config.features.channels
        with torch.device("meta"):  # without data until the checkpoint's come
            generator = build_generator(self._config.generator, channels)
        generator = for_inference(
            generator, checkpoint.networks["G"], f"{checkpoint_path}, G", device=device, precision=precision
        )
        # Where a CPU computes in float32, the first convolution takes a tenth of the time so, of a third of the whole.
        self._looks_labels_up = (
            device.type == "cpu"
            and precision.input_dtype == torch.float32
            and self._config.features.kind == "none"
            and look_labels_up(generator, self._config.data.label_nc)
        )
        encoder = None
        if encodes:
            encoder = load_encoder(checkpoint, str(checkpoint_path), device=device, precision=precision)
        self._synthesis = Synthesis(generator, encoder)

    def write(
        self,
        dataset: TripletDataset,
        batches: list[list[Place]],
        journal: Journal,
        seed: int,
        *,
        kept: int,
        on_progress: OnProgress,
    ) -> tuple[int, tuple[int, int]]:
        """Write the photos of all batches, and return how many there are and the size of the last one."""
        total = kept + sum(map(len, batches))
        sizes = list[tuple[int, int]]()

        def count(size: tuple[int, int]) -> None:
            sizes.append(size)
            on_progress(kept + len(sizes), total)

        with backend_flags(self._precision), torch.inference_mode():
            # Encoding and writing an image take as long as a small network's forward pass, and wait for the disk.
            run_beside(self._writes(dataset, batches, journal, seed), count)
        return len(sizes), sizes[-1] if sizes else (0, 0)

    def _writes(
        self, dataset: TripletDataset, batches: list[list[Place]], journal: Journal, seed: int
    ) -> Iterator[Callable[[], tuple[int, int]]]:
        """Yield for each photo the call that writes it and returns its size."""
        for batch in load_batches(dataset, batches, self._device):
            samples = zip(batch.triplets, batch.contents, self.sample(batch, seed), strict=True)
            for triplet, contents, photo in samples:
                if not bool(photo.isfinite().all()):
                    raise DivergenceError(
                        f"sample {triplet.key!r}",
                        expected="finite numbers",
                        found="NaN or infinity",
                        fix=f"The checkpoint is damaged, or {self._precision.name} overflows: try --precision fp32.",
                    )
                yield partial(_write, journal, image_name(triplet), contents, photo_array(photo))

    def sample(self, batch: Batch, seed: int) -> torch.Tensor:
        """Return photos, float32 (N, 3, H, W) in [-1, 1]."""
        dtype = self._precision.weights_dtype
        coded = class_and_edge if self._looks_labels_up else encode
        conditioning = coded(batch.label, batch.instance, self._config.data.label_nc).to(self._precision.input_dtype)
        style: dict[str, Any] = {}
        if batch.photo is not None:
            regions, n_regions = regions_of(batch, self._config)
            style = {"photo": batch.photo.to(dtype), "regions": regions, "n_regions": n_regions}
        elif self._clusters is not None:
            style = {"features": self._drawn(batch, self._clusters, seed)}
        with self._precision.autocast(self._device):
            photos: torch.Tensor = self._synthesis(conditioning, **style)
        return photos.float()

    def _drawn(self, batch: Batch, clusters: Clusters, seed: int) -> torch.Tensor:
        regions, n_regions = regions_of(batch, self._config)
        assert n_regions is not None  # the data set numbers instances
        styles = [
            draw_style(
                clusters,
                regions[i],
                n_regions,
                batch.label[i],
                numbers=batch.instance_numbers[i] if self._config.features.kind == "instance" else None,
                label_nc=self._config.data.label_nc,
                n_features=self._config.features.n_features,
                seed=seed,
                key=triplet.key,
            )
            for i, triplet in enumerate(batch.triplets)
        ]
        return torch.stack(styles)


def _write(journal: Journal, name: str, contents: Contents, photo: npt.NDArray[np.uint8]) -> tuple[int, int]:
    journal.write(name, contents, photo)
    height, width, _ = photo.shape
    return width, height


def _choose_style(style: str | None, clusters: Path | None, config: TrainConfig) -> str | None:
    if config.features.kind == "none":
        for option, value in (("--style", style), ("--clusters", clusters)):
            if value is not None:
                raise InputError(option, expected="a model with features", found="one without", fix="Leave it out.")
        return None
    style = style or "clusters"
    if style not in STYLES:
        raise InputError("--style", expected=" | ".join(STYLES), found=repr(style))
    if clusters is not None and style != "clusters":
        raise InputError("--clusters", expected="--style clusters", found=f"--style {style}", fix="Leave one out.")
    return style


def _path(out: Path, triplet: Triplet) -> Path:
    return out / image_name(triplet)


def _equal_sized(dataset: TripletDataset, indices: list[int], batch_size: int) -> list[list[Place]]:
    """Group consecutive samples whose label maps have one size, at most `batch_size` in a group."""
    groups: list[list[Place]] = []
    last = None
    for i in indices:
        size = image_size(dataset.triplets[i].label)
        if size != last or len(groups[-1]) == batch_size:
            groups.append([])
        groups[-1].append((0, i))
        last = size
    return groups
