"""Generating by graphs: near torch, the same again, and told apart from torch's images."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.sampling.checkpoint_graphs import GRAPHS
from p2phd_eval.generators.sampling.generation import SampleResult, generate
from tests.generators.sampling.styled_runs import CPU, pixels, styled_run


@pytest.fixture(scope="module")
def run(scenes: Path, tiny: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return styled_run(tiny, "instance", scenes, tmp_path_factory.mktemp("run"))


def make(run: Path, scenes: Path, out: Path, precision: str = "fp32", **options: object) -> SampleResult:
    options = {"engine": "onnxruntime", "device": CPU, **options}
    return generate(run, scenes, out, precision=precision, **options)  # type: ignore[arg-type]


def psnr(a: Path, b: Path) -> float:
    """Of two folders of images."""
    first, second = pixels(a), pixels(b)
    squared = np.mean([np.mean((first[key].astype(float) - second[key]) ** 2) for key in first])
    return float(10 * np.log10(255**2 / max(squared, 1e-9)))


def test_images_of_a_graph_are_near_those_of_torch_and_the_same_again(run: Path, scenes: Path, tmp_path: Path) -> None:
    generate(run, scenes, tmp_path / "torch", device=CPU)
    # Measured of these networks, which are not trained: 92, 66 and 44 dB.
    for precision, least in (("fp32", 80), ("fp16", 56), ("int8", 36)):
        result = make(run, scenes, tmp_path / precision, precision)
        assert psnr(tmp_path / "torch", tmp_path / precision) > least
        manifest = result.manifest
        assert manifest.versions["onnxruntime"] == onnxruntime.__version__
        assert (manifest.engine, manifest.sampling_precision) == ("onnxruntime", precision)
        assert (manifest.calibration is not None) == (precision == "int8")
        graph = run / GRAPHS / f"{precision}.onnx"
        before = graph.read_bytes()
        graph.unlink()
        again = make(run, scenes, tmp_path / f"{precision} again", precision)
        assert graph.read_bytes() == before
        assert again.manifest.graph_sha256 == manifest.graph_sha256
        for key, image in pixels(tmp_path / precision).items():
            np.testing.assert_array_equal(image, pixels(tmp_path / f"{precision} again")[key])
        with pytest.raises(InputError, match="images with another"):
            generate(run, scenes, tmp_path / precision, device=CPU)
        assert make(run, scenes, tmp_path / precision, precision).written == 0


def test_a_kept_graph_is_made_again_where_it_is_damaged_or_of_another_checkpoint(
    run: Path, scenes: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    other = styled_run(tiny, "none", scenes, tmp_path / "other")
    expected = make(run, scenes, tmp_path / "a", limit=1).manifest.graph_sha256
    made = make(other, scenes, tmp_path / "b", limit=1).manifest.graph_sha256
    assert made != expected
    kept = run / GRAPHS / "fp32.onnx"
    edited = onnx.load(str(kept))
    edited.graph.initializer[0].raw_data = bytes(len(edited.graph.initializer[0].raw_data))
    changed = edited.SerializeToString()
    for content in ((other / GRAPHS / "fp32.onnx").read_bytes(), kept.read_bytes()[:5000], b"", changed):
        kept.write_bytes(content)
        told: list[str] = []
        again = make(run, scenes, tmp_path / "a", note=told.append, limit=1)
        assert again.manifest.graph_sha256 == expected
        assert any("made again" in line for line in told)
    for content, found in (
        ((other / GRAPHS / "fp32.onnx").read_bytes(), "checkpoint_sha256: expected"),
        (changed, "expected the graph as it was exported, found one that was changed since"),
        (kept.read_bytes()[:5000], "found one that is damaged"),
        (b"no graph", "found one that is damaged"),
        (b"", "found one that is damaged"),
    ):
        (tmp_path / "given.onnx").write_bytes(content)
        with pytest.raises(InputError, match=found):
            make(run, scenes, tmp_path / "c", graph=tmp_path / "given.onnx")
    with pytest.raises(InputError, match="found nothing there"):
        make(run, scenes, tmp_path / "c", graph=tmp_path / "missing.onnx")
    with pytest.raises(InputError, match="precision: expected int8"):
        make(run, scenes, tmp_path / "c", "int8", graph=kept)
    assert make(run, scenes, tmp_path / "a", graph=kept, limit=1).written == 0


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"engine": "openvino"}, "--engine: expected torch | compile | onnxruntime | tensorrt, found 'openvino'"),
        ({"engine": "tensorrt"}, "--engine tensorrt: expected onnxruntime with TensorRT"),
        ({"engine": "torch", "precision": "int8"}, "Add --engine onnxruntime"),
        ({"precision": "amp-fp8"}, "--precision: expected fp32 | fp16 | bf16 | int8"),
        ({"precision": "bf16"}, "expected kernels of CPUExecutionProvider for a graph in bf16"),
        ({"arithmetic": "native"}, "--arithmetic: expected nothing with --engine onnxruntime"),
        ({"calibrate_on": Path("x")}, "--calibrate-on: expected --precision int8"),
        ({"precision": "int8", "calibrate_on": Path("x")}, "x/train_label"),
        ({"engine": "torch", "graph": Path("x")}, "--graph: expected --engine onnxruntime or tensorrt"),
        ({"engine": "compile", "precision": "amp-fp8"}, "which is emulated"),
    ],
)
def test_what_no_engine_does_is_refused(
    run: Path, scenes: Path, tmp_path: Path, options: dict[str, object], found: str
) -> None:
    with pytest.raises(InputError) as error:
        make(run, scenes, tmp_path / "out", **options)  # type: ignore[arg-type]
    assert found in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named(
    run: Path, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"expected the package {package}.*\n.*p2phd-eval\[onnx\]"):
        make(run, scenes, tmp_path / "out")
