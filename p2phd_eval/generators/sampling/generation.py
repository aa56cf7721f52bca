"""Checkpoint to image folder: one PNG a label map and a manifest that names every input."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from msgspec import to_builtins

from p2phd_eval.beside import run_beside
from p2phd_eval.devices import describe_device, find_device
from p2phd_eval.distributed import Ranks, local_device, ranks_from_environment
from p2phd_eval.errors import InputError, require_at_least
from p2phd_eval.generators.data.contents import image_name, read_contents
from p2phd_eval.generators.data.dataset import Place, TripletDataset, load_batches
from p2phd_eval.generators.data.triplets import Triplet
from p2phd_eval.generators.sampling.inference import most_at_once
from p2phd_eval.generators.sampling.region_styles import styles_path
from p2phd_eval.generators.sampling.renderer import Renderer, open_renderer
from p2phd_eval.generators.sampling.sample_page import write_sample_page
from p2phd_eval.generators.sampling.styles_of_data import StylesOfData, styles_of_data
from p2phd_eval.generators.training.least_memory import least_sampling_bytes
from p2phd_eval.images.decoding import image_size
from p2phd_eval.images.image_folder import Manifest, require_image_folder, write_manifest
from p2phd_eval.images.made_images import Contents, Journal, Settled, finish, settle
from p2phd_eval.locks import hold_folder
from p2phd_eval.memory import memory_for, require_memory
from p2phd_eval.progress import Note, OnProgress, ProgressFactory, silent, unheard
from p2phd_eval.versions import versions

# What two calls must agree in to write into one folder.
_IDENTITY = (
    *("checkpoint_sha256", "config", "sampling_precision", "sampling_arithmetic", "engine"),
    *("graph_sha256", "phase", "seed", "style", "pins", "clusters_sha256"),
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
    images_per_second: float | None = None  # of the networks on this rank, its first batch apart; None of one batch
    generator_bytes: int  # of the graph, or of the generator's weights in the checkpoint
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
    engine: str = "torch",
    graph: Path | None = None,
    calibrate_on: Path | None = None,
    batch_size: int = 4,
    seed: int = 0,
    style: str | None = None,
    pins: Mapping[int, int] | None = None,
    clusters: Path | None = None,
    load_size: int | None = None,
    resize_or_crop: str | None = None,
    limit: int | None = None,
    page: bool = False,
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
    engine : str
        What runs the network, a name of `ENGINES`: "torch"; "compile", torch.compile; "onnxruntime", the checkpoint as
        an ONNX graph; "tensorrt", the same by TensorRT. Graphs are made in fp32, fp16, bf16 and, quantised, int8, and
        kept in the folder `graphs` beside the checkpoint.
    graph : Path, optional
        An exported graph of this checkpoint, to run in the place of the one that is made.
    calibrate_on : Path, optional
        For int8, the data set whose training maps set the ranges; by default `data`.
    batch_size : int
        Images of one size that go through the network together; with batch norm always 1.
    seed : int
        Draws the styles, each from the seed, the image and the region's own number; other sampling has nothing random.
    style : str, optional
        Where the features of a model with an encoder come from. "clusters", the default: for each region a random
        centre of its class; "photo": the photo of the data set is encoded. What the file `<phase>_styles.json` beside
        the label maps sets for a region of an image, see `DataStyles`, comes first.
    pins : mapping, optional
        By the number of a region, an instance's or with label features a class, the cluster of its class, from 0, that
        it has in every image. They come before all else.
    clusters : Path, optional
        File of `Clusters`; by default that of the run folder.
    load_size, resize_or_crop : int and str, optional
        How images are made to fit, as for `train`, where it is to be another way than while training; sides are
        rounded to what the networks take. Nothing is cropped.
    limit : int, optional
        Generate the first so many images alone, in the order of names. A call without it adds the others.
    page : bool
        Write `index.html` into the folder, too: all label maps and their photos side by side.
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
        without features or one that is not there, a folder with samples made in another way or of other data, or one
        that another process writes to; a label map that changes meanwhile.
    DivergenceError
        For a sample that is not finite.
    """
    require_at_least(1, {"--batch-size": batch_size, "--limit": limit})
    source, data, out = Path(source), Path(data), Path(out)
    pins = dict(pins or {})
    on = local_device(find_device(device))
    with ranks_from_environment(on) if ranks is None else nullcontext(ranks) as joined:
        tell = note if joined.is_first else unheard
        spread = f", {joined.size} ranks" if joined.size > 1 else ""
        by = "" if engine == "torch" else f", engine: {engine}"
        tell(f"device: {describe_device(on)}{spread}, sampling precision: {precision}{by}")
        renderer = open_renderer(
            source,
            precision=precision,
            arithmetic=arithmetic,
            seed=seed,
            style=style,
            pins=pins,
            clusters=clusters,
            load_size=load_size,
            resize_or_crop=resize_or_crop,
            data=data,
            phase=phase,
            engine=engine,
            graph=graph,
            calibrate_on=calibrate_on,
            which_epoch=which_epoch,
            label_nc=label_nc,
            instances=instances,
            device=on,
            note=tell,
        )
        config, chosen = renderer.config, renderer.precision
        dataset = renderer.dataset(data, phase)
        if clusters is not None and renderer.style == "photo" and not (pins or styles_path(data, phase).exists()):
            raise InputError("--clusters", expected="--style clusters", found="--style photo", fix="Leave one out.")
        asked = _asked(dataset, out, limit)
        triplets = [dataset.triplets[i] for i in asked]
        styles = styles_of_data(renderer, data, phase, dataset.triplets, triplets, progress)
        manifest = _manifest(renderer, phase=phase, seed=seed, pins=pins, n_images=len(asked))
        wanted: Mapping[str, Contents] = {}
        settled = Settled(kept=())
        joined.wait()  # nothing is removed before all have seen what is there
        with hold_folder(out) if joined.is_first else nullcontext():
            if joined.is_first:
                wanted, settled = _settled(out, manifest, triplets, styles, progress, note)
            joined.wait()  # what is there now stays
            todo = [i for i in asked if not _path(out, dataset.triplets[i]).exists()]
            kept = len(asked) - len(todo)
            # Whole batches are shared, so that each holds the images that it would hold without other ranks.
            batches = _equal_sized(dataset, todo, most_at_once(config, batch_size))[joined.rank :: joined.size]
            needed = (least_sampling_bytes(config, dataset.size_of(b[0]), chosen, len(b)) for b in batches)
            require_memory(max(needed, default=0), on, "generation", _LESS)
            joined.wait()  # no rank writes before all have seen what is there
            with progress(f"generate, first of {joined.size} ranks" if spread else "generate", "images") as on_progress:
                seconds = list[float]()
                writes = _writes(renderer, dataset, batches, styles, Journal(out, joined.rank), seconds)
                sizes = _write_beside(writes, kept, kept + sum(map(len, batches)), on_progress)
            written = round(joined.mean({"written": float(len(sizes))})["written"] * joined.size)
            if joined.is_first:
                finish(out, wanted)
                if page:
                    note(f"page: {write_sample_page(out, triplets, config.data.label_nc, manifest)}")
        # Of images that are kept, or another rank makes, the regions are not known.
        for region in sorted(renderer.unseen_pins) if len(sizes) == len(asked) else ():
            note(f"--style {region}={pins[region]}: none of the label maps has this region.")
    return SampleResult(
        folder=out,
        written=written,
        kept=kept,
        remade=len(settled.outdated) + len(settled.altered),
        removed=len(settled.removed),
        size=sizes[-1] if sizes else (0, 0),
        # Without the first, in which kernels are chosen, or compiled; the median, since a last one of another size is.
        images_per_second=1 / statistics.median(seconds[1:]) if len(seconds) > 1 else None,
        generator_bytes=renderer.generator_bytes,
        manifest=manifest,
    )


def _manifest(renderer: Renderer, *, phase: str, seed: int, pins: Mapping[int, int], n_images: int) -> Manifest:
    config = renderer.config
    return Manifest(
        checkpoint_sha256=renderer.checkpoint_sha256,
        config={**config.to_dict(), "data": renderer.fit.to_dict()},
        training_precision=config.precision,
        training_step=renderer.training_step,
        sampling_precision=renderer.sampling_precision,
        sampling_arithmetic=renderer.arithmetic,
        engine=renderer.engine,
        graph_sha256=None if renderer.graph is None else renderer.graph.sha256,
        calibration=renderer.calibration,
        phase=phase,
        seed=seed,
        style=renderer.style,
        pins={str(region): k for region, k in sorted(pins.items())},
        clusters_sha256=renderer.clusters_sha256,
        n_images=n_images,
        device=describe_device(renderer.device),
        versions=versions() | renderer.engine_versions,
    )


def _settled(
    out: Path,
    manifest: Manifest,
    triplets: Sequence[Triplet],
    styles: StylesOfData,
    progress: ProgressFactory,
    note: Note,
) -> tuple[Mapping[str, Contents], Settled]:
    """Keep of a folder's images those that would be made just so now, and write its manifest.

    Returns what each image is to be made from, by its name, and what became of those that were there.
    """
    fix, values = "Choose another --out, or delete the folder.", to_builtins(manifest)
    require_image_folder(out, values, identity=_IDENTITY, fix=fix, foreign="Choose another --out.")
    read = read_contents(triplets, progress)
    wanted = {(name := image_name(each)): styles.made_from(each, read[name]) for each in triplets}
    with progress("look at the images that are there", "images") as on_progress:
        settled = settle(out, wanted, fix=fix, on_progress=on_progress)
    write_manifest(out, values)
    for sentence in settled.notes:
        note(sentence)
    return wanted, settled


def _writes(
    renderer: Renderer,
    dataset: TripletDataset,
    batches: list[list[Place]],
    styles: StylesOfData,
    journal: Journal,
    seconds: list[float],
) -> Iterator[Callable[[], tuple[int, int]]]:
    """Yield for each photo the call that writes it and returns its size.

    `seconds`: takes how long the networks had for an image, batch by batch.
    """
    for batch in load_batches(dataset, batches, renderer.device):
        start = time.perf_counter()
        photos = renderer.photos(batch, [styles.of(triplet) for triplet in batch.triplets])
        seconds.append((time.perf_counter() - start) / len(photos))
        for triplet, contents, photo in zip(batch.triplets, batch.contents, photos, strict=True):
            yield partial(_write, journal, image_name(triplet), styles.made_from(triplet, contents), photo)


def _write_beside(
    writes: Iterator[Callable[[], tuple[int, int]]], kept: int, total: int, on_progress: OnProgress
) -> list[tuple[int, int]]:
    """Write all photos, and return their sizes."""
    sizes = list[tuple[int, int]]()

    def count(size: tuple[int, int]) -> None:
        sizes.append(size)
        on_progress(kept + len(sizes), total)

    # Encoding and writing an image take as long as a small network's forward pass, and wait for the disk.
    run_beside(writes, count)
    return sizes


def _write(journal: Journal, name: str, contents: Contents, photo: npt.NDArray[np.uint8]) -> tuple[int, int]:
    journal.write(name, contents, photo)
    height, width, _ = photo.shape
    return width, height


def _asked(dataset: TripletDataset, out: Path, limit: int | None) -> list[int]:
    """Return the samples whose images are to be there: the first `limit`, and those that have one already."""
    return [
        i for i, triplet in enumerate(dataset.triplets) if limit is None or i < limit or _path(out, triplet).exists()
    ]


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
