"""A checkpoint as an ONNX file, checked against torch before it is handed out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.checkpoint import Checkpoint
from p2phd_eval.generators.data.batch import Batch, as_sample, collate
from p2phd_eval.generators.data.triplets import Triplet
from p2phd_eval.generators.engines.engine_names import require_graph_precision
from p2phd_eval.generators.engines.graph_file import Graph, opset_of, write_graph
from p2phd_eval.generators.engines.graph_session import GraphSession, graph_feed
from p2phd_eval.generators.engines.onnx_graph import input_shapes
from p2phd_eval.generators.engines.onnx_packages import import_onnx, import_onnxruntime
from p2phd_eval.generators.networks.conditioning import encode
from p2phd_eval.generators.networks.synthesis import Synthesis
from p2phd_eval.generators.original.checkpoint_folder import open_source
from p2phd_eval.generators.sampling.checkpoint_graphs import CheckpointGraphs
from p2phd_eval.generators.sampling.inference import for_inference, unloaded_generator
from p2phd_eval.generators.sampling.renderer import open_renderer
from p2phd_eval.generators.training.precision import PRECISIONS, backend_flags
from p2phd_eval.images.image_folder import Calibration
from p2phd_eval.progress import Note, unheard
from p2phd_eval.scenes.data_set import render_scene
from p2phd_eval.targets import require_file_target

_CPU = torch.device("cpu")
_RANGE = 2.0  # of a photo, from -1 to 1
_MOST_FP32 = 0.5 / 255  # of the range: half a level of an 8-bit image
#: Images, and about how wide and high; other numbers each time, since a graph takes any.
_CHECKED = ((1, 128, 64), (2, 64, 96))


@dataclass(frozen=True, kw_only=True)
class GraphCheck:
    """How far a graph is from torch in float32 on drawn scenes."""

    images: int
    width: int
    height: int
    largest: float  # difference of a value, as a share of the range of values
    psnr: float | None  # in decibels; None where nothing differs


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """A graph that was written."""

    file: Path
    sha256: str
    size: int  # in bytes
    precision: str
    opset: int
    checkpoint_sha256: str
    inputs: dict[str, str]  # by name: dtype and axes
    size_multiple: int  # width and height are multiples of it
    calibration: Calibration | None  # of an int8 graph
    checks: tuple[GraphCheck, ...]  # none where this machine has nothing that runs the graph

    def __str__(self) -> str:
        inputs = ", ".join(f"{name} {what}" for name, what in self.inputs.items())
        return f"{self.file}: {self.precision}, opset {self.opset}, {self.size / 1e6:.1f} MB; takes {inputs}"


def export_onnx(
    source: str | Path,
    out: str | Path,
    *,
    precision: str = "fp32",
    calibrate_on: str | Path | None = None,
    clusters: Path | None = None,
    which_epoch: str | None = None,
    label_nc: int | None = None,
    instances: bool | None = None,
    note: Note = unheard,
) -> ExportResult:
    """Write a generator as an ONNX file, and check it against torch.

    The graph takes label and instance maps as they are: one-hot labels and edges are part of it. Batch, height and
    width are open. Its metadata say what it is of, and what it takes.

    Parameters
    ----------
    source : str or Path
        A run folder, a checkpoint, or a folder of the original.
    out : str or Path
        The file to write.
    precision : str
        "fp32", "fp16", "bf16", or "int8", quantised after training.
    calibrate_on : str or Path, optional
        For int8: a data set whose training maps set the ranges.
    clusters : Path, optional
        For int8, of a model with features: file of `Clusters`, by default that of the run folder.
    which_epoch, label_nc, instances
        For a folder of the original, see `read_original`.
    note : callable
        Told what goes on.

    Returns
    -------
    ExportResult
        With the differences from torch in float32.

    Raises
    ------
    InputError
        For an unusable checkpoint or data set; a package that is missing; a graph in float32 that differs from torch
        by half a level of an 8-bit image or more; a file that cannot be written.
    """
    require_graph_precision(precision)
    import_onnx("export onnx")
    import_onnxruntime("export onnx")
    source, out = Path(source), Path(out)
    require_file_target(out, "--out", ending=".onnx")
    if precision == "int8":
        renderer = open_renderer(
            source,
            clusters=clusters,
            which_epoch=which_epoch,
            label_nc=label_nc,
            instances=instances,
            device=_CPU,
            note=note,
        )
        path, checkpoint, sha256 = renderer.checkpoint_path, renderer.checkpoint, renderer.checkpoint_sha256
        graph = renderer.make_graph(precision, None if calibrate_on is None else Path(calibrate_on))
    else:
        for option, given in (("--calibrate-on", calibrate_on), ("--clusters", clusters)):
            if given is not None:
                raise InputError(option, expected="--precision int8", found=precision, fix="Leave it out.")
        path, checkpoint = open_source(
            source, which_epoch=which_epoch, label_nc=label_nc, instances=instances, note=note
        )
        sha256, folder = file_sha256(path), source if source.is_dir() else source.parent
        graph = CheckpointGraphs(folder, path, checkpoint, sha256, note).of(precision)
    checks = _checks(graph, path, checkpoint, precision, note)
    write_graph(out, graph)
    config = checkpoint.config
    return ExportResult(
        file=out,
        sha256=graph.sha256,
        size=len(graph.content),
        precision=precision,
        opset=opset_of(precision),
        checkpoint_sha256=sha256,
        inputs={
            name: f"{'int32' if whole else 'float32'} (n, {'' if channels is None else f'{channels}, '}height, width)"
            for name, (whole, channels) in input_shapes(config).items()
        },
        size_multiple=config.generator.size_multiple,
        calibration=graph.calibration,
        checks=checks,
    )


def _checks(graph: Graph, path: Path, checkpoint: Checkpoint, precision: str, note: Note) -> tuple[GraphCheck, ...]:
    try:
        session = GraphSession(graph, engine="onnxruntime", device=_CPU)
    except InputError as error:
        if precision == "fp32":
            raise
        note(f"Not checked: {error.found}.")
        return ()
    config = checkpoint.config
    fp32 = PRECISIONS["fp32"]
    generator = for_inference(
        unloaded_generator(config), checkpoint.networks["G"], f"{path}, G", device=_CPU, precision=fp32, plain=True
    )
    network, checks = Synthesis(generator, None), []
    for batch, features in _scenes(config):
        photos = []
        for i, one in enumerate(batch.split(len(batch.triplets))):  # one by one, as batch norm needs it
            with backend_flags(fp32), torch.inference_mode():
                conditioning = encode(one.label, one.instance, config.data.label_nc)
                photos.append(network(conditioning, features=None if features is None else features[i : i + 1]))
        difference = (session(graph_feed(batch, features)) - torch.cat(photos)).double() / _RANGE
        squared = float(difference.square().mean())
        height, width = difference.shape[-2:]
        check = GraphCheck(
            images=len(batch.triplets),
            width=width,
            height=height,
            largest=float(difference.abs().max()),
            psnr=None if squared == 0 else -10 * float(np.log10(squared)),
        )
        if precision == "fp32" and not check.largest < _MOST_FP32:
            raise InputError(
                "the graph in float32",
                expected=f"torch's photos, to {_MOST_FP32:.4f} of the range",
                found=f"one that differs by {check.largest:.4f}",
                fix="Another version of onnxruntime may do; constraints.txt names the one that is tested.",
            )
        checks.append(check)
    return tuple(checks)


def _scenes(config: TrainConfig) -> Iterator[tuple[Batch, torch.Tensor | None]]:
    """Yield batches of drawn scenes as a model sees them, with features where it takes some.

    Classes are those of the scenes, folded into the model's.
    """
    multiple, draw = config.generator.size_multiple, torch.Generator().manual_seed(0)
    for n, *sides in _CHECKED:
        width, height = (max(1, side // multiple) * multiple for side in sides)
        samples = []
        for seed in range(n):
            scene = render_scene(seed, width=max(width, 32), height=max(height, 32))
            label_nc = config.data.label_nc
            parts = {"label": scene.label % label_nc if label_nc else scene.photo}
            if config.data.instances:
                parts["instance"] = scene.instance.astype(np.int32)
            triplet = Triplet(key=str(seed), name=str(seed), label=Path(str(seed)))
            parts = {name: each[:height, :width] for name, each in parts.items()}
            samples.append(as_sample(triplet, parts, numbers_instances=config.features.kind == "instance"))
        batch, channels = collate(samples).to(_CPU), config.features.channels
        features = torch.rand(n, channels, height, width, generator=draw) * 2 - 1 if channels else None
        yield batch, features
