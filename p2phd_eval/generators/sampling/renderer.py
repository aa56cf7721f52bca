"""The networks of a checkpoint, kept in memory: label maps, from files or arrays, to photos."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from p2phd_eval.config import DataConfig, TrainConfig
from p2phd_eval.devices import find_device
from p2phd_eval.errors import DivergenceError, InputError, require_at_least, shown
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.checkpoint import Checkpoint
from p2phd_eval.generators.data.batch import Batch, as_sample, collate, photo_array
from p2phd_eval.generators.data.dataset import TripletDataset, part_kinds, resized_pixels
from p2phd_eval.generators.data.transforms import choose_geometry
from p2phd_eval.generators.data.triplets import Triplet, check_labels
from p2phd_eval.generators.engines.engine_names import GRAPH_ENGINES, Way, require_engine
from p2phd_eval.generators.engines.graph_file import Graph
from p2phd_eval.generators.engines.graph_session import GraphSession, graph_feed
from p2phd_eval.generators.networks.conditioning import encode
from p2phd_eval.generators.networks.encoder import Encoder
from p2phd_eval.generators.networks.generator import GlobalGenerator, LocalEnhancer
from p2phd_eval.generators.networks.synthesis import Synthesis
from p2phd_eval.generators.original.checkpoint_folder import open_source
from p2phd_eval.generators.sampling.checkpoint_graphs import Calibrating, CheckpointGraphs
from p2phd_eval.generators.sampling.feature_maps import load_encoder, whole_images
from p2phd_eval.generators.sampling.inference import for_inference, most_at_once, unloaded_generator
from p2phd_eval.generators.sampling.label_lookup import class_and_edge, look_labels_up
from p2phd_eval.generators.sampling.region_styles import ImageStyles, Style
from p2phd_eval.generators.sampling.style_features import StyleFeatures, StyleNetworks, StyleSettings
from p2phd_eval.generators.sampling.styles import STYLES, Clusters, clusters_path, load_clusters
from p2phd_eval.generators.training.compilation import compile_networks
from p2phd_eval.generators.training.precision import PRECISIONS, Precision, backend_flags, find_precision
from p2phd_eval.images.image_folder import Calibration
from p2phd_eval.progress import Note, unheard

Pixels = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.integer[Any]]


class Renderer:
    """The networks of a checkpoint, and the styles that its generator takes; see `open_renderer`.

    Attributes
    ----------
    checkpoint_path, checkpoint : Path and Checkpoint
        What was opened.
    config : TrainConfig
        Of the training.
    fit : DataConfig
        How images are made to fit: `config.data`, but for what was said otherwise.
    checkpoint_sha256 : str
    precision : Precision
        Of torch's networks; with a graph that of an encoder, fp32.
    engine : str
    sampling_precision : str
        By name: of the graph where there is one.
    arithmetic : str
        "native" or "emulated".
    graph : Graph or None
        What an engine runs in the place of torch.
    style : str or None
        "clusters" or "photo": where features come from where nothing else is said; None for a model without features.
    """

    def __init__(
        self,
        source: Path,
        checkpoint_path: Path,
        checkpoint: Checkpoint,
        *,
        device: torch.device,
        precision: Precision,
        fit: DataConfig,
        styles: StyleSettings | None,
        clusters: Path | None,
        data: Path | None,
        way: Way,
        graph: Path | None,
        calibrate_on: Path | None,
        note: Note,
    ) -> None:
        self.config, self.fit = checkpoint.config, fit
        self.checkpoint_sha256, self.training_step = file_sha256(checkpoint_path), checkpoint.step
        self.device, self.precision = device, precision
        self.style = None if styles is None else styles.style
        self._source, self.checkpoint_path, self.checkpoint = source, checkpoint_path, checkpoint
        self._data, self._clusters_given = data, clusters
        self.features: StyleFeatures | None = None
        if styles is not None:
            networks = StyleNetworks(
                config=self.config,
                fit=fit,
                encoder=lambda: self._encoder,
                clusters=lambda: self._clusters,
                device=device,
                precision=precision,
            )
            self.features = StyleFeatures(networks, styles)
            self._style_networks = networks
        if self.style == "photo":
            _ = self._encoder
        #: SHA-256 of the clusters' file, where all images have styles from it.
        self.clusters_sha256: str | None = None
        if styles is not None and (styles.style == "clusters" or styles.pins):
            self.clusters_sha256 = self._clusters[1]
        self.engine = way.engine
        self.graph: Graph | None = None
        self.sampling_precision, self.arithmetic = precision.name, precision.arithmetic
        self._graphs = CheckpointGraphs(
            source if source.is_dir() else source.parent, checkpoint_path, checkpoint, self.checkpoint_sha256, note
        )
        self._looks_labels_up = False
        if way.engine in GRAPH_ENGINES:
            self._open_graph(way.precision, graph, calibrate_on, note)
        else:
            self._synthesis = Synthesis(self._generator(), None)

    def _generator(self) -> GlobalGenerator | LocalEnhancer:
        """Return the generator for torch, as it is or compiled."""
        compiled = self.engine == "compile"
        generator = for_inference(
            unloaded_generator(self.config),
            self.checkpoint.networks["G"],
            f"{self.checkpoint_path}, G",
            device=self.device,
            precision=self.precision,
            plain=compiled,
        )
        if compiled:
            compile_networks([generator], self.device, "--engine compile")
            return generator
        # Where a CPU computes in float32, the first convolution takes a tenth of the time so, of a third of the whole.
        self._looks_labels_up = (
            self.device.type == "cpu"
            and self.precision.input_dtype == torch.float32
            and self.config.features.kind == "none"
            and look_labels_up(generator, self.config.data.label_nc)
        )
        return generator

    def _open_graph(self, precision: str, given: Path | None, calibrate_on: Path | None, note: Note) -> None:
        """Make or read the graph, and let the engine take it."""
        if given is None:
            graph = self.make_graph(precision, calibrate_on, symmetric=self.engine == "tensorrt")
        else:
            graph = self._graphs.given(given, precision)
        self.graph = graph
        self._session = GraphSession(graph, engine=self.engine, device=self.device)
        self.sampling_precision = precision
        if precision == "fp16" and self.device.type == "cpu":
            self.arithmetic = "emulated"
            note("fp16: onnxruntime has no kernels for it on a CPU; it rounds weights, and computes in float32.")

    @property
    def engine_versions(self) -> dict[str, str]:
        """The versions of what runs a graph; none where torch does."""
        return {} if self.graph is None else {"onnxruntime": self._session.version}

    @property
    def generator_bytes(self) -> int:
        """How large on a disk what generates is: the graph, or the generator's weights in the checkpoint."""
        if self.graph is not None:
            return len(self.graph.content)
        return sum(weights.nbytes for weights in self.checkpoint.networks["G"].values())

    @property
    def calibration(self) -> Calibration | None:
        """The maps that an int8 graph was quantised on."""
        return None if self.graph is None else self.graph.calibration

    def make_graph(self, precision: str, calibrate_on: Path | None = None, *, symmetric: bool = False) -> Graph:
        """Return the checkpoint as an ONNX graph, in a precision of `GRAPH_PRECISIONS`, kept beside the checkpoint.

        `calibrate_on`: for int8, a data set whose training maps are looked at; by default the one that this renderer
        was opened for. `symmetric`: see `quantise`. Raises `InputError` if a package or the data are missing.
        """
        calibrating = None
        if precision == "int8":
            data = calibrate_on or self._data
            if data is None:
                raise InputError(
                    "--calibrate-on",
                    expected="a data set, whose training maps set the ranges of int8",
                    found="none",
                    fix="Add --calibrate-on DATA.",
                )
            calibrating = self._calibrating(data, symmetric)
        return self._graphs.of(precision, calibrating)

    def _calibrating(self, data: Path, symmetric: bool) -> Calibrating:
        phase = self.config.data.phase
        if self.style is None:
            return Calibrating(dataset=self.dataset(data, phase), features=None, style="none", symmetric=symmetric)
        # None that were chosen for an image: what is drawn, or encoded, is what all images have.
        plain = StyleSettings(style=self.style, seed=0, pins={}, data=data, phase=phase)
        drawn = StyleFeatures(self._style_networks, plain)

        def features(batch: Batch) -> torch.Tensor:
            with torch.inference_mode():
                return drawn.of(batch.to(self.device), [ImageStyles()] * len(batch.triplets))

        source = self._clusters[1] if self.style == "clusters" else "the photos"
        return Calibrating(
            dataset=self.dataset(data, phase), features=features, style=f"{self.style} of {source}", symmetric=symmetric
        )

    @property
    def unseen_pins(self) -> set[int]:
        """Regions that are pinned to a cluster and were in none of the images so far."""
        return set() if self.features is None else self.features.unseen

    def n_clusters(self, label: int) -> int:
        """Return how many clusters a class has; 0 for a model without features."""
        return 0 if self.features is None else len(self._clusters[0].centres.get(label, ()))

    @cached_property
    def _encoder(self) -> Encoder:
        return load_encoder(self.checkpoint, str(self.checkpoint_path), device=self.device, precision=self.precision)

    @cached_property
    def _clusters(self) -> tuple[Clusters, str]:
        path = clusters_path(self._source, self._clusters_given, "--clusters")
        arguments = " ".join(quote(str(each)) for each in (self._source, self._data or "DATA"))
        return load_clusters(path, self.checkpoint, self.checkpoint_sha256, arguments), file_sha256(path)

    def dataset(self, data: Path, phase: str) -> TripletDataset:
        """Open the label maps of a phase of a data set, with photos if the style is of these."""
        return whole_images(self.config, data, phase, photos=self.style == "photo", fit=self.fit)

    def photos(self, batch: Batch, styles: Sequence[ImageStyles] | None = None) -> list[Pixels]:
        """Return the photo of each sample of a batch that is on the device, uint8 (H, W, 3).

        `styles`: of each sample; by default none that are set. Raises `DivergenceError` for one that is not finite, and
        `InputError` for a style that is none.
        """
        with backend_flags(self.precision), torch.inference_mode():
            features = None
            if self.features is not None:
                features = self.features.of(batch, styles or [ImageStyles()] * len(batch.triplets))
            if self.graph is None:
                photos = self._by_torch(batch, features)
            else:
                photos = self._session(graph_feed(batch, features))
        for triplet, photo in zip(batch.triplets, photos, strict=True):
            if not bool(photo.isfinite().all()):
                raise DivergenceError(
                    f"sample {triplet.key!r}",
                    expected="finite numbers",
                    found="NaN or infinity",
                    fix=f"The checkpoint is damaged, or {self.sampling_precision} overflows: try --precision fp32.",
                )
        return [photo_array(photo) for photo in photos]

    def _by_torch(self, batch: Batch, features: torch.Tensor | None) -> torch.Tensor:
        coded = class_and_edge if self._looks_labels_up else encode
        conditioning = coded(batch.label, batch.instance, self.config.data.label_nc).to(self.precision.input_dtype)
        with self.precision.autocast(self.device):
            photos: torch.Tensor = self._synthesis(conditioning, features=features)
        return photos.float()

    def render(
        self,
        label: Numbers,
        instance: Numbers | None = None,
        *,
        image: str,
        styles: Mapping[int, Style] | None = None,
        photo: Pixels | None = None,
    ) -> Pixels:
        """Return the photo of a label map in memory: to the bit what `generate` makes of the same maps as files.

        Nothing is read from the disk, but for what a `PhotoStyle` or `FileStyle` means, once. (`generate` puts several
        images through the network at a time, which may round otherwise; with `batch_size=1` it does not.)

        Parameters
        ----------
        label : array of integers, shape (H, W)
            Classes in [0, label_nc); for `label_nc` 0 a photo or colour map, uint8 (H, W, 3).
        instance : array of integers, shape (H, W), optional
            Needed, and looked at, if the model sees edges of instances; numbers of 32 bits.
        image : str
            Key under which the styles of regions are drawn.
        styles : mapping, optional
            By the numbers of regions the styles that are set. They may name regions that are not there.
        photo : uint8 array, shape (H, W, 3), optional
            Needed for the style "photo".

        Returns
        -------
        uint8 array
            RGB, of the size that the networks give, (height, width, 3).

        Raises
        ------
        InputError
            For maps that the model does not take, and styles that are none.
        DivergenceError
            For a photo that is not finite.
        """
        (rendered,) = self.render_each(label, instance, image=image, styles=[styles or {}], photo=photo)
        return rendered

    def render_each(
        self,
        label: Numbers,
        instance: Numbers | None = None,
        *,
        image: str,
        styles: Sequence[Mapping[int, Style]],
        photo: Pixels | None = None,
        batch_size: int = 16,
    ) -> list[Pixels]:
        """Return the photos of one label map in several styles, such as all clusters of one of its regions.

        They go through the network together, at most `batch_size` at a time; with batch norm one by one. Otherwise as
        `render`.
        """
        require_at_least(1, {"batch_size": batch_size})
        sample = self._sample(label, instance, photo, image)
        at_once = most_at_once(self.config, batch_size)
        rendered: list[Pixels] = []
        for start in range(0, len(styles), at_once):
            part = [ImageStyles(regions=dict(each)) for each in styles[start : start + at_once]]
            rendered += self.photos(collate([sample] * len(part)).to(self.device), part)
        return rendered

    def _sample(self, label: Numbers, instance: Numbers | None, photo: Pixels | None, image: str) -> Batch:
        """Return arrays as a data set gives what it reads from files, a batch of one."""
        label_nc = self.config.data.label_nc
        parts: dict[str, Image.Image] = {}
        if label_nc:
            classes = _require_array(label, "label")
            check_labels(classes, label_nc, f"label map of {image!r}")
            parts["label"] = Image.fromarray(classes.astype(np.uint8 if label_nc <= 256 else np.int32))
        else:
            parts["label"] = Image.fromarray(_require_array(label, "label", colours=True))
        if self.config.data.instances:
            parts["instance"] = Image.fromarray(_require_array(instance, "instance").astype(np.int32))
        if self.style == "photo":
            parts["photo"] = Image.fromarray(_require_array(photo, "photo", colours=True))
        size = parts["label"].size
        for part, each in parts.items():
            if each.size != size:
                raise InputError(
                    part, expected=f"{size[0]} x {size[1]} pixels as the label map", found="{} x {}".format(*each.size)
                )
        geometry = choose_geometry(size, self.fit, self.config.size_multiple, None, f"label map of {image!r}")
        kinds = part_kinds(self.config.data)
        return as_sample(
            Triplet(key=image, name=image, label=Path(image)),
            {part: resized_pixels(each, kinds[part], geometry) for part, each in parts.items()},
            numbers_instances=self.config.features.kind == "instance",
        )


def open_renderer(
    source: str | Path,
    *,
    precision: str = "fp32",
    arithmetic: str | None = None,
    seed: int = 0,
    style: str | None = None,
    pins: Mapping[int, int] | None = None,
    clusters: Path | None = None,
    load_size: int | None = None,
    resize_or_crop: str | None = None,
    data: str | Path | None = None,
    phase: str = "test",
    engine: str = "torch",
    graph: Path | None = None,
    calibrate_on: Path | None = None,
    which_epoch: str | None = None,
    label_nc: int | None = None,
    instances: bool | None = None,
    device: str | torch.device | None = None,
    note: Note = unheard,
) -> Renderer:
    """Load what photos are made with, into memory.

    Parameters
    ----------
    source : str or Path
        A run folder, a checkpoint, or a folder of the original.
    precision, arithmetic, seed, style, pins, clusters, load_size, resize_or_crop
        As for `generate`, which makes its photos with a renderer.
    data, phase : str or Path, and str
        The data set whose photos a `PhotoStyle` is of, and that files of a `FileStyle` are named from. It is not opened
        before such a style is asked for.
    engine, graph, calibrate_on
        As for `generate`.
    which_epoch, label_nc, instances
        For a folder of the original, see `read_original`.
    device : str or torch.device, optional
        By default cuda, mps or cpu, the first that there is.
    note : callable
        Told what is assumed.

    Returns
    -------
    Renderer

    Raises
    ------
    InputError
        For an unusable checkpoint, clusters that are missing or another checkpoint's, or a style for a model without
        features.
    """
    source, on = Path(source), find_device(device)
    require_at_least(0, {"--seed": seed, **{f"--style {region}": k for region, k in (pins or {}).items()}})
    require_engine(engine, precision, arithmetic)
    runs_graph = engine in GRAPH_ENGINES
    if graph is not None and not runs_graph:
        raise InputError("--graph", expected=f"--engine {' or '.join(GRAPH_ENGINES)}", found=f"--engine {engine}")
    if calibrate_on is not None and not (precision == "int8" and graph is None):
        raise InputError(
            "--calibrate-on", expected="--precision int8 and no --graph", found="others", fix="Leave it out."
        )
    path, checkpoint = open_source(source, which_epoch=which_epoch, label_nc=label_nc, instances=instances, note=note)
    chosen = PRECISIONS["fp32"] if runs_graph else find_precision(precision, on, arithmetic, for_training=False)
    if chosen.emulated and engine == "compile":
        raise InputError(
            "--engine compile",
            expected="a precision that the device computes in",
            found=f"{chosen.name}, which is emulated",
            fix="Leave --engine out, or choose --precision fp32.",
        )
    if chosen.emulated:
        note(f"{chosen.name} is emulated: quality as on tensor cores, speed not.")
    named = None if data is None else Path(data)
    styles = None
    if (chosen_style := _choose_style(style, clusters, pins or {}, checkpoint.config)) is not None:
        styles = StyleSettings(style=chosen_style, seed=seed, pins=pins or {}, data=named, phase=phase)
    return Renderer(
        source,
        path,
        checkpoint,
        device=on,
        precision=chosen,
        fit=_fit(checkpoint.config.data, load_size, resize_or_crop),
        styles=styles,
        clusters=clusters,
        data=named,
        way=Way(engine=engine, precision=precision),
        graph=graph,
        calibrate_on=calibrate_on,
        note=note,
    )


def _fit(trained: DataConfig, load_size: int | None, resize_or_crop: str | None) -> DataConfig:
    """Return how images are made to fit; raise `InputError` if a size is given that the mode has no use for."""
    fit = replace(
        trained,
        load_size=trained.load_size if load_size is None else load_size,
        resize=trained.resize if resize_or_crop is None else resize_or_crop,
    )
    if load_size is not None and fit.resize in ("none", "crop"):
        raise InputError(
            "--load-size",
            expected="a way of resizing that it is the width of",
            found=f"--resize-or-crop {fit.resize}{'' if resize_or_crop else ', that of the training'}",
            fix="Add --resize-or-crop scale_width, or leave --load-size out.",
        )
    return fit


def _choose_style(style: str | None, clusters: Path | None, pins: Mapping[int, int], config: TrainConfig) -> str | None:
    if config.features.kind == "none":
        for option, value in (("--style", style or pins), ("--clusters", clusters)):
            if value:
                raise InputError(option, expected="a model with features", found="one without", fix="Leave it out.")
        return None
    style = style or "clusters"
    if style not in STYLES:
        raise InputError("--style", expected=" | ".join(STYLES), found=repr(style))
    return style


def _require_array(array: object, part: str, *, colours: bool = False) -> npt.NDArray[Any]:
    """Return what is an array of integers (H, W), or of colours, uint8 (H, W, 3); raise `InputError` for all else."""
    if isinstance(array, np.ndarray) and array.size:
        if colours and array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3:
            return array
        if not colours and array.dtype.kind in "iu" and array.ndim == 2:
            return array
    raise InputError(
        part,
        expected=f"an array of {'uint8 (H, W, 3)' if colours else 'integers (H, W)'}",
        found=f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else shown(array),
    )
