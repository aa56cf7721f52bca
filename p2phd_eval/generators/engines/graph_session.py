"""A graph that runs: in onnxruntime, by its kernels for the device or by TensorRT."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.generators.data.batch import Batch
from p2phd_eval.generators.engines.graph_file import Graph
from p2phd_eval.generators.engines.onnx_packages import import_onnxruntime

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_TENSORRT = "TensorrtExecutionProvider"
_FATAL = 4  # of onnxruntime's levels of what it logs: errors are raised, too


class GraphSession:
    """Runs a graph on a device.

    Parameters
    ----------
    graph : Graph
    engine : str
        "onnxruntime" or "tensorrt".
    device : torch.device

    Raises
    ------
    InputError
        If a package is missing, or it has nothing for the device; if it has no kernels for the graph's precision there.
    """

    def __init__(self, graph: Graph, *, engine: str, device: torch.device) -> None:
        where = f"--engine {engine}"
        runtime: Any = import_onnxruntime(where)
        #: Of onnxruntime.
        self.version: str = runtime.__version__
        provider, options = _provider(runtime, engine, device, graph.metadata["precision"])
        session = runtime.SessionOptions()
        session.log_severity_level = _FATAL
        session.intra_op_num_threads = torch.get_num_threads()
        session.use_deterministic_compute = True
        try:
            self._session = runtime.InferenceSession(graph.content, session, providers=[(provider, options)])
        except Exception as error:  # each of its own kind, of no common base
            reason = str(error).strip().partition("\n")[0].removeprefix("[ONNXRuntimeError] : ")
            raise InputError(
                where,
                expected=f"kernels of {provider} for a graph in {graph.metadata['precision']}",
                found=reason,
                fix="Choose another --precision, or --device.",
            ) from None
        used = self._session.get_providers()
        if provider not in used:  # onnxruntime goes on without what it cannot load
            raise InputError(
                where,
                expected=f"a {provider} that loads",
                found=f"{', '.join(used)} in its place",
                fix="Its libraries must be where they are looked for (LD_LIBRARY_PATH): see onnxruntime's page on it.",
            )

    def __call__(self, feed: Mapping[str, npt.NDArray[Any]]) -> torch.Tensor:
        """Return photos, float32 (N, 3, H, W) in [-1, 1], on the CPU."""
        (photos,) = self._session.run(["photo"], dict(feed))
        return torch.from_numpy(photos)


def graph_feed(batch: Batch, features: torch.Tensor | None) -> dict[str, npt.NDArray[Any]]:
    """Return a batch, and its features where the model takes some, as the graph's inputs."""
    feed: dict[str, npt.NDArray[Any]] = {}
    if batch.label.is_floating_point():
        feed["image"] = batch.label.cpu().numpy()
    else:
        feed["label"] = _whole(batch.label)
    if batch.instance is not None:
        feed["instance"] = _whole(batch.instance)
    if features is not None:
        feed["features"] = features.float().cpu().numpy()
    return feed


def _whole(maps: torch.Tensor) -> npt.NDArray[np.int32]:
    return maps[:, 0].to(torch.int32).cpu().numpy()


def _provider(runtime: Any, engine: str, device: torch.device, precision: str) -> tuple[str, dict[str, Any]]:
    """Return the part of onnxruntime that is to run a graph, and its options."""
    there = runtime.get_available_providers()
    if engine == "tensorrt":
        if _TENSORRT not in there:
            raise InputError(
                "--engine tensorrt",
                expected="onnxruntime with TensorRT (TensorrtExecutionProvider)",
                found=f"onnxruntime {runtime.__version__} with {', '.join(there)}",
                fix="On a machine with an NVIDIA GPU: pip uninstall onnxruntime; pip install onnxruntime-gpu tensorrt. "
                "Elsewhere: --engine onnxruntime.",
            )
        if device.type != "cuda":
            raise InputError("--engine tensorrt", expected="a CUDA device", found=str(device))
        flag = {"fp16": "trt_fp16_enable", "bf16": "trt_bf16_enable", "int8": "trt_int8_enable"}.get(precision)
        return _TENSORRT, {"device_id": device.index or 0, **({flag: True} if flag else {})}
    provider = _PROVIDERS.get(device.type)
    if provider not in there:
        raise InputError(
            "--engine onnxruntime",
            expected=f"an onnxruntime for {device}",
            found=f"onnxruntime {runtime.__version__} with {', '.join(there)}",
            fix="Add --device cpu; or for an NVIDIA GPU: pip uninstall onnxruntime; pip install onnxruntime-gpu.",
        )
    assert provider is not None
    if device.type != "cuda":
        return provider, {}
    # Without it, products of float32 may be of TF32, which is no fp32.
    return provider, {"device_id": device.index or 0, "use_tf32": 0}
