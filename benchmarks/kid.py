"""Speed of the exact KID with its standard error against torch-fidelity's KID over random subsets.

Run `python benchmarks/kid.py [--out FILE]` from the repository's root on an idle machine. It takes about a minute.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from measuring import describe_machine, seconds, today

from p2phd_eval.files import write_json
from p2phd_eval.stats.distances.kernel import KernelDistance, kernel_distance
from p2phd_eval.torchvision_ops import declare_missing_operators

D = 2048  # Inception's pool3 features
N = 5000
REPEATS = 3


def features(n: int, seed: int, shift: float) -> npt.NDArray[np.float32]:
    """Rectified noise with a slowly falling spectrum, like Inception's features float32 and not negative."""
    values = np.random.default_rng(seed).standard_normal((n, D), dtype=np.float32)
    values += np.float32(0.5 + shift)
    values *= np.arange(1, D + 1, dtype=np.float32) ** np.float32(-0.1)
    return np.maximum(values, 0, out=values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parent / "results" / f"kid-{today()}.json"
    parser.add_argument("--out", type=Path, default=default, help="where to write the JSON")
    out = parser.parse_args().out
    declare_missing_operators()  # torch-fidelity imports torchvision
    metric_kid = import_module("torch_fidelity.metric_kid")
    real, fake = features(N, 1, 0.0), features(N, 2, 0.01)

    def peer() -> dict[str, float]:
        both = torch.from_numpy(real), torch.from_numpy(fake)
        result: dict[str, float] = metric_kid.kid_features_to_metric(*both, verbose=False)
        return result

    def ours(paired: bool) -> KernelDistance:
        return kernel_distance(real, fake, paired=paired)

    machine = describe_machine()
    best = {
        "torch_fidelity": seconds(peer, REPEATS),
        "independent": seconds(lambda: ours(False), REPEATS),
        "paired": seconds(lambda: ours(True), REPEATS),
    }
    subsets, exact = peer(), ours(False)
    # The same statistic over all images, from torch-fidelity's own functions in float64: it holds whole matrices.
    wide = real.astype(np.float64), fake.astype(np.float64)
    kernels = [metric_kid.kernel_poly(wide[i], wide[j]) for i, j in ((0, 0), (0, 1), (1, 1))]
    whole = float(metric_kid.mmd2(*kernels))
    document: dict[str, Any] = {
        "date": today(),
        "machine": machine,
        "n": N,
        "d": D,
        "seconds": best,
        "ratio": {name: best["torch_fidelity"] / best[name] for name in ("independent", "paired")},
        "kid": {
            "here": exact.value,
            "here_se": exact.se,
            "torch_fidelity_all_images_float64": whole,
            "torch_fidelity_subsets_mean": subsets["kernel_inception_distance_mean"],
            "torch_fidelity_subsets_std": subsets["kernel_inception_distance_std"],
        },
    }
    print(machine, f"n = {N}, d = {D}", sep="\n")
    print(
        f"KID of independent sets with its standard error: {best['independent']:.2f} s, paired {best['paired']:.2f} s; "
        f"torch-fidelity, 100 subsets of 1000: {best['torch_fidelity']:.2f} s; "
        f"ratio {document['ratio']['independent']:.2f} and {document['ratio']['paired']:.2f}\n"
        f"KID {exact.value:.7f}, standard error {exact.se:.1e}; torch-fidelity's functions over all images "
        f"{whole:.7f}, difference {exact.value - whole:.1e}; its subsets "
        f"{subsets['kernel_inception_distance_mean']:.7f}, spread {subsets['kernel_inception_distance_std']:.1e}"
    )
    write_json(out, document)
    print(f"written: {out}")


if __name__ == "__main__":
    main()
