"""Bad input: engines."""

from __future__ import annotations

from pathlib import Path

import onnx

from p2phd_eval import export_onnx
from tests.bad_input.case import Case, text
from tests.bad_input.small_run import run_with_features, small_run


def _run_of_features_without_clusters() -> None:
    run_with_features()
    Path("feat/clusters.npz").unlink()


def _edited_graph() -> None:
    """A graph whose weights somebody has changed, and not what it says of itself."""
    small_run()
    export_onnx("run", "graph.onnx")
    model = onnx.load("graph.onnx")
    weights = model.graph.initializer[-1]
    weights.raw_data = bytes(len(weights.raw_data))
    onnx.save(model, "graph.onnx")


ENGINES = (
    Case(
        area="Engines",
        kind="An engine that there is not",
        make=small_run,
        typed="generate run data --out samples --engine openvino",
        words="--engine: expected torch | compile | onnxruntime | tensorrt, found 'openvino'",
    ),
    Case(
        area="Engines",
        kind="8 bits without a graph",
        make=small_run,
        typed="generate run data --out samples --precision int8",
        words="Add --engine onnxruntime.",
    ),
    Case(
        area="Engines",
        kind="8 bits without training maps",
        make=small_run,
        typed="generate run data --out made --engine onnxruntime --precision int8 --calibrate-on no --device cpu",
        words="no/train_label",
    ),
    Case(
        area="Engines",
        kind="A precision that no graph has",
        make=small_run,
        typed="export onnx run --out graph.onnx --precision amp-fp16",
        words="--precision: expected fp32 | fp16 | bf16 | int8",
    ),
    Case(
        area="Engines",
        kind="8 bits of nothing to calibrate on",
        make=small_run,
        typed="export onnx run --out graph.onnx --precision int8",
        words="--calibrate-on: expected a data set",
    ),
    Case(
        area="Engines",
        kind="8 bits of a model with features, without clusters",
        make=_run_of_features_without_clusters,
        typed="export onnx feat --out graph.onnx --precision int8 --calibrate-on data",
        words="feat/clusters.npz",
    ),
    Case(
        area="Engines",
        kind="A checkpoint that is none",
        make=lambda: text("run.pt", b"not a checkpoint"),
        typed="export onnx run.pt --out graph.onnx",
        words="run.pt: expected a p2phd-eval checkpoint",
    ),
    Case(
        area="Engines",
        kind="A folder where the graph is to be written",
        make=lambda: (small_run(), Path("graph.onnx").mkdir()),
        typed="export onnx run --out graph.onnx",
        words="graph.onnx: expected a file to write",
    ),
    Case(
        area="Engines",
        kind="A graph that was edited",
        make=_edited_graph,
        typed="generate run data --out samples --engine onnxruntime --graph graph.onnx --device cpu",
        words="graph.onnx: expected the graph as it was exported, found one that was changed since",
    ),
    Case(
        area="Engines",
        kind="A graph that is none",
        make=lambda: (small_run(), text("graph.onnx", b"no graph")),
        typed="generate run data --out samples --engine onnxruntime --graph graph.onnx --device cpu",
        words="graph.onnx: expected an ONNX file",
    ),
    Case(
        area="Engines",
        kind="Images of another engine in the folder",
        make=lambda: small_run(("train", "test")),
        typed="generate run data --out samples --engine onnxruntime --device cpu",
        words="images with another",
    ),
)
