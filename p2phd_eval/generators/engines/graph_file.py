"""Graphs as files: what they say of themselves, written whole, and read like a stranger's."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError, found_instead
from p2phd_eval.files import atomic_write
from p2phd_eval.generators.engines.onnx_graph import input_shapes
from p2phd_eval.generators.engines.onnx_packages import import_onnx
from p2phd_eval.images.image_folder import Calibration
from p2phd_eval.versions import versions

FORMAT = "p2phd-eval generator"
FORMAT_VERSION = "3"  # of what graphs look like: another one is made anew
_OPSETS = {"bf16": 22}  # the first whose convolutions know it
_OPSET = 17  # whose graphs all of onnxruntime since 1.12, TensorRT since 8.6 and OpenVINO read
#: What two graphs must agree in to be one; others are how they were made.
_KEYS = ("format", "format_version", "checkpoint_sha256", "precision", "opset", "calibration_sha256", "activations")
_HASH = "graph_sha256"


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A graph, whole, with what its metadata say."""

    content: bytes  # of the file
    metadata: Mapping[str, str]

    @cached_property
    def sha256(self) -> str:
        """Hash of the file."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def calibration(self) -> Calibration | None:
        """The maps that an int8 graph was quantised on."""
        stored = self.metadata.get("calibration")
        try:
            return None if stored is None else msgspec.json.decode(stored, type=Calibration)
        except msgspec.MsgspecError as error:
            raise InputError("calibration of the graph", expected="names and a hash", found=str(error)) from None


def opset_of(precision: str) -> int:
    """Return the version of ONNX's operators that graphs of a precision are written in."""
    return _OPSETS.get(precision, _OPSET)


def describe_graph(
    config: TrainConfig, checkpoint_sha256: str, precision: str, calibration: Calibration | None = None
) -> dict[str, str]:
    """Return the metadata of a graph: all of it text, as ONNX has it."""
    width = "width and height are multiples of size_multiple"
    meanings = {
        "label": f"class of each pixel, in [0, {config.data.label_nc}); {width}",
        "image": f"photo or colour map, RGB in [-1, 1]; {width}",
        "instance": "number of the object or region of each pixel, any whole numbers: edges are found in the graph",
        "features": "features of the encoder or of a cluster, equal over each region",
    }
    described = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "checkpoint_sha256": checkpoint_sha256,
        "precision": precision,
        "opset": str(opset_of(precision)),
        "size_multiple": str(config.generator.size_multiple),
        "inputs": json.dumps({name: meanings[name] for name in input_shapes(config)}),
        "outputs": json.dumps({"photo": "RGB in [-1, 1]"}),
        "config": json.dumps(config.to_dict()),
        "p2phd_eval_version": versions()["p2phd-eval"],
    }
    if calibration is not None:
        described["calibration_sha256"] = calibration.sha256
        described["calibration"] = msgspec.json.encode(calibration).decode()
    return described


def read_graph(path: Path, wanted: Mapping[str, str], *, any_calibration: bool = False) -> Graph:
    """Read a graph of ours.

    `wanted`: metadata that it must have; `any_calibration`: but for what it was quantised on. Raises `InputError` if it
    is missing, no ONNX file, damaged, another program's, or of another checkpoint or precision.
    """
    onnx = import_onnx(str(path))
    expected, fix = "an ONNX file of `p2phd-eval export onnx`", "Export it again: p2phd-eval export onnx RUN --out FILE"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(str(path), expected=expected, found=found_instead(error), fix=fix) from None
    try:
        model = onnx.load_model_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's, or the checker's, each of its own kind
        found = f"one that is damaged ({str(error).strip().partition(chr(10))[0] or type(error).__name__})"
        raise InputError(str(path), expected=expected, found=found, fix=fix) from None
    metadata = {each.key: each.value for each in model.metadata_props}
    for key in _KEYS[:-2] if any_calibration else _KEYS:
        if metadata.get(key) != wanted.get(key):
            raise InputError(
                f"{path}, {key}",
                expected=wanted.get(key) or "none",
                found=metadata.get(key) or "none",
                fix=f"Its graph is not of this checkpoint and these settings. {fix}",
            )
    # What it says of itself is of the graph as it was made: of an edited one, nothing of it need hold.
    if metadata.get(_HASH) != _graph_sha256(model):
        raise InputError(
            str(path), expected="the graph as it was exported", found="one that was changed since", fix=fix
        )
    return Graph(content=content, metadata=metadata)


def as_graph(model: Any) -> Graph:
    """Return a model as the bytes that stand in a file: the same for the same model. Its metadata get its hash."""
    model.metadata_props.add(key=_HASH, value=_graph_sha256(model))
    metadata = {each.key: each.value for each in model.metadata_props}
    return Graph(content=model.SerializeToString(deterministic=True), metadata=metadata)


def _graph_sha256(model: Any) -> str:
    """Return the hash of nodes and weights, whatever the metadata say."""
    return hashlib.sha256(model.graph.SerializeToString(deterministic=True)).hexdigest()


def write_graph(path: Path, graph: Graph) -> None:
    """Write a graph, whole or not at all; raise `InputError` if it cannot be written."""
    try:
        with atomic_write(path) as stream:
            stream.write(graph.content)
    except OSError as error:
        raise InputError(
            str(path), expected="room for the graph in a folder to write to", found=error.strerror or str(error)
        ) from error
