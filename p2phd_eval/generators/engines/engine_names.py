"""The engines that generate, in which precisions, and the short names of both together."""

from dataclasses import dataclass

from p2phd_eval.errors import InputError
from p2phd_eval.generators.training.precision import PRECISIONS

#: torch as it is, torch compiled, and an ONNX graph in onnxruntime, by its own providers or by TensorRT.
ENGINES = ("torch", "compile", "onnxruntime", "tensorrt")
#: Engines that run a graph.
GRAPH_ENGINES = ("onnxruntime", "tensorrt")
#: What a graph computes in; int8 by quantisation after training.
GRAPH_PRECISIONS = ("fp32", "fp16", "bf16", "int8")

_SHORT = {"compile": "compile", "onnx": "onnxruntime", "tensorrt": "tensorrt"}


@dataclass(frozen=True, kw_only=True)
class Way:
    """How images are generated."""

    engine: str
    precision: str

    def arithmetic(self, asked: str | None) -> str | None:
        """Return the arithmetic that was asked for 16 bits, where torch computes: graphs have none to choose."""
        return None if self.engine in GRAPH_ENGINES else asked


def ways() -> dict[str, Way]:
    """Return all ways by their short names: `amp-fp16` is of torch, `compile` is fp32, and `onnx-int8` says both."""
    torch_ways = [name for name, precision in PRECISIONS.items() if precision.sampling is None]
    found = {name: Way(engine="torch", precision=name) for name in torch_ways}
    found["compile"] = Way(engine="compile", precision="fp32")
    for short, engine in _SHORT.items():
        for precision in GRAPH_PRECISIONS if engine in GRAPH_ENGINES else torch_ways:
            found[f"{short}-{precision}"] = Way(engine=engine, precision=precision)
    del found["compile-fp32"]  # one name each
    return found


def require_engine(engine: str, precision: str, arithmetic: str | None) -> None:
    """Raise `InputError` unless there is such an engine, and a graph in that precision where it runs one."""
    if engine not in ENGINES:
        raise InputError("--engine", expected=" | ".join(ENGINES), found=repr(engine))
    if engine not in GRAPH_ENGINES:
        if precision == "int8":
            raise InputError(
                "--precision int8",
                expected="an engine that runs quantised graphs",
                found=f"--engine {engine}",
                fix="Add --engine onnxruntime.",
            )
        return
    require_graph_precision(precision)
    if arithmetic is not None:
        raise InputError(
            "--arithmetic", expected=f"nothing with --engine {engine}", found=repr(arithmetic), fix="Leave it out."
        )


def require_graph_precision(precision: str) -> None:
    """Raise `InputError` unless graphs are made in a precision."""
    if precision not in GRAPH_PRECISIONS:
        raise InputError("--precision", expected=f"{' | '.join(GRAPH_PRECISIONS)}, for a graph", found=repr(precision))
