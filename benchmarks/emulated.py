"""Emulated precision: what a step takes against fp32's, and how near it is to torch's own arithmetic and to float64.

    python benchmarks/emulated.py --json FILE

On one core, in about ten minutes. Times are CPU times of whole training steps, the settings taking turns in one
process; once more with oneDNN, which computes torch's convolutions, kept from instructions for bfloat16, as on a CPU
without any. What is computed is compared in three ways:

* layers: each convolution on the values that an fp32 training gives it, forward and backward, in torch's own arithmetic
  and emulated, with float64 of the same rounded operands, in last digits of the format;
* a step: the gradients of all weights with those of float64;
* a training: the losses of each step and the skipped ones with those of torch's own arithmetic, from the same weights
  on the same scenes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import describe_machine, today
from torch import nn

from p2phd_eval.config import ExecutionConfig, TrainConfig
from p2phd_eval.generators.data.batch import Batch
from p2phd_eval.generators.training.emulation import EmulatedProducts, computes_natively
from p2phd_eval.generators.training.step import Pix2PixHD
from p2phd_eval.presets import PRESETS
from p2phd_eval.scenes.data_set import CLASSES, render_scene

CPU = torch.device("cpu")
DTYPES = {"amp-bf16": torch.bfloat16, "amp-fp16": torch.float16}
EIGHT_BITS = ("amp-fp8", "fp8-plain")


def config_of(ngf: int, width: int, precision: str = "fp32", arithmetic: str | None = None) -> TrainConfig:
    base = PRESETS["demo"]
    return replace(
        base,
        data=replace(base.data, label_nc=len(CLASSES), load_size=width),
        generator=replace(base.generator, ngf=ngf),
        discriminator=replace(base.discriminator, ndf=min(ngf, base.discriminator.ndf)),
        precision=precision,
        execution=ExecutionConfig(arithmetic=arithmetic),
    )


def scene(seed: int, width: int) -> Batch:
    drawn = render_scene(seed, width=width, height=width // 2)
    return Batch(
        triplets=(),
        label=torch.from_numpy(drawn.label)[None, None],
        instance=torch.from_numpy(drawn.instance.astype(np.int32))[None, None],
        photo=torch.from_numpy(drawn.photo).permute(2, 0, 1)[None].float() / 127.5 - 1.0,
    )


# --- Time


def step_times(ngf: int, width: int, rounds: int) -> dict[str, dict[str, float]]:
    """Median CPU seconds of a step in each setting, and their ratio to fp32's."""
    settings: list[tuple[str, str | None]] = [("fp32", None)]
    settings += [(name, "emulated") for name in (*DTYPES, "fp16", "bf16", *EIGHT_BITS)]
    settings += [("amp-bf16", "native")]
    models = {setting: Pix2PixHD(config_of(ngf, width, *setting), CPU) for setting in settings}
    seconds: dict[tuple[str, str | None], list[float]] = {setting: [] for setting in settings}
    batch = scene(0, width)
    for number in range(rounds + 1):
        for setting, model in models.items():
            start = time.process_time()
            model.train_step(batch)
            if number:  # the first step sets everything up
                seconds[setting].append(time.process_time() - start)
    base = statistics.median(seconds["fp32", None])
    return {
        f"{name}, {arithmetic}" if arithmetic else name: {
            "seconds": round(statistics.median(each), 4),
            "to_fp32": round(statistics.median(each) / base, 3),
        }
        for (name, arithmetic), each in seconds.items()
    }


def times_without_instructions(ngf: int, width: int, rounds: int) -> Any:
    """`step_times` of a process in which oneDNN uses no instructions but AVX-512's older ones."""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"}
    command = [sys.executable, __file__, "--times", str(ngf), str(width), str(rounds)]
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


# --- Layers


class Layer:
    """A convolution of the networks with the values that one step gave it, in float32."""

    def __init__(self, name: str, module: nn.Module) -> None:
        self.name, self.module = name, module
        self.input = self.gradient = torch.zeros(0)
        self._hook = module.register_forward_hook(self._forward)

    def _forward(self, module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        self.input = inputs[0].detach().clone()
        if output.requires_grad:
            output.register_hook(self._backward)  # type: ignore[no-untyped-call]

    def _backward(self, gradient: torch.Tensor) -> None:
        self.gradient = gradient.detach().clone()

    def stop(self) -> None:
        """Keep the values of the last step."""
        self._hook.remove()

    def run(self, dtype: torch.dtype, scale: float, *, emulated: bool) -> list[torch.Tensor]:
        """Return result and gradients of input and weight in the narrow dtype, on operands rounded to it."""
        x = self.input.to(dtype).requires_grad_()
        parameters = {name: value.detach().to(dtype).requires_grad_() for name, value in self.module.named_parameters()}
        if emulated:
            with EmulatedProducts(dtype):
                y = torch.func.functional_call(self.module, parameters, (x,))
        else:
            y = torch.func.functional_call(self.module, parameters, (x,))
        gradients = torch.autograd.grad(y, [x, parameters["weight"]], (self.gradient * scale).to(dtype))
        return [y.detach(), *gradients]

    def exact(self, dtype: torch.dtype, scale: float) -> list[torch.Tensor]:
        """Return the same in float64, of the same rounded operands."""
        x = self.input.to(dtype).double().requires_grad_()
        parameters = {
            name: value.detach().to(dtype).double().requires_grad_() for name, value in self.module.named_parameters()
        }
        y = torch.func.functional_call(self.module, parameters, (x,))
        gradient = (self.gradient * scale).to(dtype).double()
        return [y.detach(), *torch.autograd.grad(y, [x, parameters["weight"]], gradient)]


def last_digits(value: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
    """The distance to the exact value in last digits of the format at its rounded value."""
    info = torch.finfo(value.dtype)
    rounded = exact.to(value.dtype).double()
    _, exponent = torch.frexp(rounded.abs().clamp(min=info.tiny))
    return (value.double() - exact).abs() / (info.eps * torch.exp2(exponent.double() - 1))


KINDS = ("result", "input gradient", "weight gradient")


def compare_layers(ngf: int, width: int) -> dict[str, Any]:
    """Train fp32 for some steps, and compute each convolution of the last one in both arithmetics."""
    model = Pix2PixHD(config_of(ngf, width), CPU)
    layers = [
        Layer(f"{name}.{key}", module)
        for name, network in (("G", model.generator), ("D", model.discriminator))
        for key, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]
    for seed in range(20):
        model.train_step(scene(seed, width))
    for layer in layers:
        layer.stop()
    layers = [layer for layer in layers if layer.input.numel()]  # some are computed in parts in float32
    found: dict[str, Any] = {}
    for name, dtype in DTYPES.items():
        rows = [row for layer in layers for row in compare_layer(layer, dtype)]
        found[name] = {"summary": {what: summary_of(rows, what) for what in KINDS}, "layers": rows}
    return found


def compare_layer(layer: Layer, dtype: torch.dtype) -> list[dict[str, Any]]:
    # As a loss scaler does, which brings gradients into float16's range.
    scale = 2.0 ** math.floor(math.log2(256.0 / layer.gradient.abs().max().item()))
    native, emulated = (layer.run(dtype, scale, emulated=emulated) for emulated in (False, True))
    rows = []
    for what, a, b, exact in zip(KINDS, native, emulated, layer.exact(dtype, scale), strict=True):
        errors = {kind: last_digits(value, exact) for kind, value in (("native", a), ("emulated", b))}
        row: dict[str, Any] = {"layer": layer.name, "what": what, "differ": (a != b).double().mean().item()}
        for kind, error in errors.items():
            row |= {f"{kind}_error_mean": error.mean().item(), f"{kind}_error_most": error.max().item()}
        rows.append({key: round(value, 6) if isinstance(value, float) else value for key, value in row.items()})
    return rows


def summary_of(rows: list[dict[str, Any]], what: str) -> dict[str, float]:
    """Means over the layers, and the largest of all."""
    own = [row for row in rows if row["what"] == what]
    summary = {
        "differ_mean": statistics.mean(row["differ"] for row in own),
        "differ_most": max(row["differ"] for row in own),
    }
    for kind in ("native", "emulated"):
        summary[f"{kind}_error_mean"] = statistics.mean(row[f"{kind}_error_mean"] for row in own)
        summary[f"{kind}_error_most"] = max(row[f"{kind}_error_most"] for row in own)
    return {key: round(value, 6) for key, value in summary.items()}


# --- Steps


def gradients_of(config: TrainConfig, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradients of all weights of G and of D in the first step, in float64."""
    model = Pix2PixHD(config, CPU)
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        state = optimizer.state_dict()
        if state["scaler"]:
            state["scaler"]["scale"] = 128.0  # the first one, 2**16, is for the scaler to lower
            optimizer.load_state_dict(state, "the first step")
    model.train_step(batch)
    networks = (model.generator, model.discriminator)
    found = [[p.grad.double().flatten() for p in network.parameters() if p.grad is not None] for network in networks]
    return torch.cat(found[0]), torch.cat(found[1])


def compare_gradients(ngf: int, width: int) -> dict[str, dict[str, float]]:
    """Relative distance of the gradients of the first step to those of fp64."""
    exact = gradients_of(config_of(ngf, width, "fp64"), scene(0, width))
    settings = [("fp32", None), *((name, kind) for name in DTYPES for kind in ("native", "emulated"))]
    settings += [(name, "emulated") for name in EIGHT_BITS]
    found = {}
    for name, kind in settings:
        gradients = gradients_of(config_of(ngf, width, name, kind), scene(0, width))
        distances = [((a - b).norm() / b.norm()).item() for a, b in zip(gradients, exact, strict=True)]
        found[f"{name}, {kind}" if kind else name] = dict(
            zip("GD", (round(each, 5) for each in distances), strict=True)
        )
    return found


def train(config: TrainConfig, steps: int, width: int) -> tuple[dict[str, list[float]], dict[str, Any]]:
    model = Pix2PixHD(config, CPU)
    losses: dict[str, list[float]] = {}
    for step in range(steps):
        torch.manual_seed(step)
        found, _ = model.train_step(scene(step % 50, width))
        for key, loss in found.items():
            losses.setdefault(key, []).append(loss.item())
    optimizers = {"G": model.generator_optimizer, "D": model.discriminator_optimizer}
    return losses, {name: [each.skipped, each.scale] for name, each in optimizers.items()}


def compare_trainings(ngf: int, width: int, steps: int) -> dict[str, Any]:
    """Relative differences of the losses of each step."""
    runs = {
        f"{name}, {kind}" if kind else name: train(config_of(ngf, width, name, kind), steps, width)
        for name, kind in [
            ("fp64", None),
            ("fp32", None),
            *((name, kind) for name in DTYPES for kind in ("native", "emulated")),
            *((name, "emulated") for name in EIGHT_BITS),
        ]
    }
    pairs = [(f"{name}, emulated", f"{name}, native") for name in DTYPES]
    pairs += [("fp32", "fp64")]  # how far differences of rounding grow by themselves
    pairs += [(name, "fp32") for name in runs if name not in ("fp32", "fp64")]

    def differences(a: dict[str, list[float]], b: dict[str, list[float]]) -> dict[str, list[float]]:
        found = {}
        for key, expected in b.items():
            each = [abs(x - y) / abs(y) for x, y in zip(a[key], expected, strict=True)]
            found[key] = [round(statistics.median(each[:n]), 5) for n in (20, len(each))]
        return found

    return {
        "steps": steps,
        "skipped steps and loss scale": {name: run[1] for name, run in runs.items()},
        "relative difference of losses: median of the first 20 steps, of all": {
            f"{a} to {b}": differences(runs[a][0], runs[b][0]) for a, b in pairs
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--times", type=int, nargs=3, help=argparse.SUPPRESS)  # a process of its own
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.times:
        print(json.dumps(step_times(*arguments.times)))
        return
    rounds = arguments.rounds
    sizes = ((32, 256), (16, 256), (16, 128), (8, 128))
    document = {
        "what": "emulated precision: time of a step, and distance to torch's own arithmetic and float64",
        "date": today(),
        **describe_machine(),
        "processor": torch.cpu.get_capabilities().get("cpu_name") if hasattr(torch.cpu, "get_capabilities") else None,
        "native": {name: computes_natively(dtype, CPU) for name, dtype in DTYPES.items()},
        "times": {f"ngf {ngf}, {width} x {width // 2}": step_times(ngf, width, rounds) for ngf, width in sizes},
        "times without instructions for bfloat16": {
            f"ngf {ngf}, {width} x {width // 2}": times_without_instructions(ngf, width, rounds)
            for ngf, width in sizes[:2]
        },
        "gradients, relative distance to float64": compare_gradients(16, 128),
        "training": compare_trainings(8, 64, arguments.steps),
        "layers": compare_layers(16, 128),
    }
    text = json.dumps(document, indent=1)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
