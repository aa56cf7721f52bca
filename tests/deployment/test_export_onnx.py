"""Exported graphs, and what they say of themselves."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import onnx
import pytest

from p2phd_eval.config import TrainConfig
from p2phd_eval.deployment.export_onnx import export_onnx
from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.checkpoint import latest_path
from tests.generators.sampling.styled_runs import styled_run


@pytest.fixture(scope="module")
def run(scenes: Path, tiny: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return styled_run(tiny, "label", scenes, tmp_path_factory.mktemp("run"))


def test_an_export_is_checked_and_says_what_it_is_of(run: Path, scenes: Path, tmp_path: Path) -> None:
    sizes = {}
    for precision, least in (("fp32", 80), ("fp16", 45), ("bf16", None), ("int8", 20)):
        told: list[str] = []
        calibrate_on = scenes if precision == "int8" else None
        file = tmp_path / f"{precision}.onnx"
        result = export_onnx(run, file, precision=precision, calibrate_on=calibrate_on, note=told.append)
        assert [(each.images, each.width) for each in result.checks] == ([] if least is None else [(1, 128), (2, 64)])
        assert all(each.psnr is None or each.psnr > least for each in result.checks)
        assert ("Not checked" in " ".join(told)) == (least is None)
        assert result.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        assert set(result.inputs) == {"label", "instance", "features"}
        sizes[precision] = result.size
        model = onnx.load(str(file))
        onnx.checker.check_model(model, full_check=True)
        metadata = {each.key: each.value for each in model.metadata_props}
        assert metadata["checkpoint_sha256"] == file_sha256(latest_path(run))
        assert TrainConfig.from_dict(json.loads(metadata["config"])).features.kind == "label"
        assert json.loads(metadata["inputs"]).keys() == result.inputs.keys()
        assert int(metadata["opset"]) == model.opset_import[0].version == result.opset
    assert sizes["fp16"] < sizes["fp32"]


def test_what_cannot_be_exported_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--precision: expected fp32 \| fp16 \| bf16 \| int8"):
        export_onnx(run, tmp_path / "x.onnx", precision="amp-fp16")
    with pytest.raises(InputError, match="--calibrate-on: expected a data set"):
        export_onnx(run, tmp_path / "x.onnx", precision="int8")
    with pytest.raises(InputError, match="--calibrate-on: expected --precision int8"):
        export_onnx(run, tmp_path / "x.onnx", calibrate_on=tmp_path)
    with pytest.raises(InputError, match="expected a file to write"):
        export_onnx(run, tmp_path)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"export onnx: expected the package {package}.*\n.*p2phd-eval\[onnx\]"):
        export_onnx(run, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()
