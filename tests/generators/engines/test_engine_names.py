"""Short names of engines and precisions."""

from __future__ import annotations

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.generators.engines.engine_names import Way, ways
from p2phd_eval.study.study_plan import parse_generation


def test_each_way_has_one_name() -> None:
    found = ways()
    assert len(set(found.values())) == len(found)
    assert found["onnx-int8"] == Way(engine="onnxruntime", precision="int8")
    assert found["compile"] == Way(engine="compile", precision="fp32")
    assert found["amp-bf16"] == Way(engine="torch", precision="amp-bf16")
    assert "apex-O1" not in found


def test_a_study_generates_by_engines() -> None:
    assert parse_generation("fp32, onnx-fp32,onnx-int8,compile") == ("onnx-fp32", "onnx-int8", "compile")
    with pytest.raises(InputError, match="onnx-int4"):
        parse_generation("onnx-int4")
    assert ways()["onnx-int8"].arithmetic("emulated") is None
    assert ways()["amp-bf16"].arithmetic("emulated") == "emulated"
