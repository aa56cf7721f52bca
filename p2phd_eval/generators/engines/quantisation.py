"""A float32 graph in 8 bits, after training: onnxruntime's static quantisation.

Inputs, weights and results of convolutions become int8, weights by output channel, the others by one scale a tensor
that the calibration maps set (their least and largest value). Norms, additions and transposed convolutions stay in
float32. Nodes are pairs of QuantizeLinear and DequantizeLinear around what was there ("QDQ"), from which onnxruntime
and TensorRT make their integer kernels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.generators.engines.onnx_packages import import_onnx, import_onnxruntime

Feed = Mapping[str, npt.NDArray[Any]]  # the graph's inputs by name


def quantise(model: Any, feeds: Iterable[Feed], metadata: Mapping[str, str], *, symmetric: bool) -> Any:
    """Return a graph in 8 bits.

    Parameters
    ----------
    model : onnx.ModelProto
        In float32.
    feeds : iterable of mapping
        What the graph is calibrated on.
    metadata : mapping
        Of the new graph.
    symmetric : bool
        Whether zero is in the middle of all ranges, as TensorRT needs it. Otherwise ranges are used whole.
    """
    onnx = import_onnx("--precision int8")
    import_onnxruntime("--precision int8")
    from onnxruntime import quantization
    from onnxruntime.quantization import quant_utils

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            self._feeds = iter(feeds)

        def get_next(self) -> dict[str, npt.NDArray[np.generic]] | None:
            feed = next(self._feeds, None)
            return None if feed is None else dict(feed)

    # There is nothing to fuse beforehand; the tag keeps onnxruntime from saying that there might be.
    quant_utils.add_pre_process_metadata(model)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantization.quantize_static(
            model,
            path,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QInt8,
            weight_type=quantization.QuantType.QInt8,
            op_types_to_quantize=["Conv"],
            extra_options={"ActivationSymmetric": symmetric, "WeightSymmetric": True},
        )
        quantised = onnx.load(str(path))
    onnx.helper.set_model_props(quantised, dict(metadata))
    return quantised
