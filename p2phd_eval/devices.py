"""Which torch device to use, and what to call it in a result."""

import torch

from p2phd_eval.errors import InputError


def find_device(name: str | torch.device | None = None) -> torch.device:
    """Return the torch device called `name`, or the best one: cuda, mps, cpu.

    Raises `InputError` if torch does not know the name or the device is not on this machine.
    """
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        # The first sentence says it; the rest of torch's errors lists backends for pages.
        reason = str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise InputError(
            f"--device {name}",
            expected="a torch device of this machine, such as cpu, cuda or cuda:1",
            found=reason.rstrip("."),
            fix=f"Here: {', '.join(_available())}.",
        ) from error
    if device.type == "meta":
        raise InputError("--device meta", expected="a device that computes", found="meta, which holds no data")
    return device


def describe_device(device: torch.device) -> str:
    """Return the device with its model, for example "cuda:0 (NVIDIA H200)"; a CPU is "cpu"."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def _available() -> list[str]:
    names = ["cpu"]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
