"""Photos a second through the FID Inception network, by back end, in one run: why it runs as it does.

Run `python benchmarks/inception.py [--device cuda] [--out FILE]` from the repository's root on an idle machine.
torch.compile takes a minute or two and needs a C++ compiler; without one it is left out, by name.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measuring import describe_machine, seconds, today
from torch import Tensor, nn

from p2phd_eval.features.networks.inception import load_inception
from p2phd_eval.features.weights.file import load_state
from p2phd_eval.features.weights.find import find_weights
from p2phd_eval.files import write_json
from p2phd_eval.torchvision_ops import declare_missing_operators

REPEATS = 5


def plain_network(device: torch.device) -> nn.Module:
    """pytorch-fid's network, batch normalisation and all."""
    declare_missing_operators()
    from pytorch_fid import inception

    classifier = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    state = load_state(find_weights()) | classifier
    inception.load_state_dict_from_url = lambda *args, **kwargs: state  # which its constructor would download
    network: nn.Module = inception.InceptionV3([3], resize_input=False, normalize_input=False)
    return network.eval().to(device)


def waited(call: Callable[[], object], device: torch.device) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / f"inception-{today()}.json")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    plain, ours = plain_network(device), load_inception(find_weights(), device)
    torch.backends.cudnn.allow_tf32 = False

    def images(batch_size: int, layout: torch.memory_format) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        values = torch.rand((batch_size, 3, 299, 299), generator=generator) * 2 - 1
        return values.to(device).contiguous(memory_format=layout)

    rows: list[dict[str, Any]] = []

    def measure(name: str, batch_size: int, call: Callable[[Tensor], object], layout: torch.memory_format) -> None:
        batch = images(batch_size, layout)
        run = waited(lambda: call(batch), device)
        run()
        rate = batch_size / seconds(run, REPEATS)
        rows.append({"back_end": name, "batch_size": batch_size, "images_per_second": rate})
        print(f"{name}, batch {batch_size}: {rate:.1f} images/s", flush=True)

    measure("pytorch-fid's, as it comes", 50, plain, torch.contiguous_format)
    for parameter in plain.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    measure("pytorch-fid's, channels last", 50, plain, torch.channels_last)
    for batch_size in (4, 8, 16, 32, 64):
        measure("folded, channels last", batch_size, ours._layers, torch.channels_last)
    try:
        compiled = torch.compile(ours._layers)
        measure("folded, channels last, torch.compile", 8, compiled, torch.channels_last)
    except Exception as error:
        print(f"torch.compile: left out ({type(error).__name__})")
    first = rows[0]["images_per_second"]
    for row in rows:
        row["ratio"] = row["images_per_second"] / first
    write_json(arguments.out, {"date": today(), "machine": describe_machine(), "device": str(device), "rows": rows})
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    main()
