"""FID end to end, cold and warm, against the other tools on the same images and weights: numbers and seconds.

Run from the repository's root on an idle machine, with the test extra installed (8 minutes on two cores):

    python benchmarks/fid.py [--photos FOLDER FOLDER] [--size WIDTH HEIGHT] [--format png|jpeg] [--tools NAME ...]
        [--out FILE]

Without photos, two sets of 300 are drawn, PNG of 480 x 360 pixels by default. Every tool runs as its own process, from
start to exit, as a user would start it, and reads the same weights; on a busy machine look at the processor's seconds.
Where torchvision's compiled operators do not load, each gets them declared first. clean-fid has no command and
downloads a network that this one stands in for; it and torchmetrics, which has no command either, run in the shortest
script that their documentation shows.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import command_seconds, describe_machine, today
from PIL import Image

from p2phd_eval.features.weights.file import load_state
from p2phd_eval.features.weights.find import find_weights
from p2phd_eval.features.weights.index import RELEASE_FILE
from p2phd_eval.files import write_json
from p2phd_eval.user_folders import CACHE_VARIABLE

# How each tool resizes, by our names.
_RESIZES = {
    "pytorch-fid": "legacy-pytorch",
    "torch-fidelity": "legacy-tensorflow",
    "clean-fid": "clean",
    "torchmetrics": "torchmetrics",
}

_DECLARE = "from p2phd_eval.torchvision_ops import declare_missing_operators as declare; declare()\n"

_PYTORCH_FID = """
from pytorch_fid.fid_score import main
main()
"""

_TORCH_FIDELITY = """
from torch_fidelity.fidelity import main
main()
"""

_CLEAN_FID = """
import sys, torch
from cleanfid.fid import get_folder_features, fid_from_feats
from pytorch_fid.inception import InceptionV3
network = InceptionV3([3], resize_input=False, normalize_input=False).eval()
def embed(batch):
    with torch.no_grad():
        return network((batch - 128) / 128)[0][:, :, 0, 0]
features = [
    get_folder_features(folder, embed, num_workers=2, batch_size=32, device=torch.device("cpu"), mode="clean")
    for folder in sys.argv[1:]
]
print("FID:", fid_from_feats(*features))
"""

_TORCHMETRICS = """
import sys, torch
from pathlib import Path
import numpy as np
from PIL import Image
from torchmetrics.image.fid import FrechetInceptionDistance
weights, *folders = sys.argv[1:]
metric = FrechetInceptionDistance(2048, feature_extractor_weights_path=weights).set_dtype(torch.float64)
for folder, real in zip(folders, (True, False)):
    files = sorted(Path(folder).iterdir())
    for start in range(0, len(files), 32):
        images = np.stack([np.array(Image.open(path).convert("RGB")) for path in files[start : start + 32]])
        metric.update(torch.from_numpy(images).permute(0, 3, 1, 2), real=real)
print("FID:", float(metric.compute()))
"""


def draw_photos(folder: Path, n: int, seed: int, size: tuple[int, int], form: str) -> Path:
    """Smooth colours with fine noise: files of the size of photos, for which decoding costs what it costs there."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for index in range(n):
        coarse = Image.fromarray(rng.integers(0, 256, (6 + seed, 8 + seed, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
        noisy = smooth + rng.integers(-8, 9, smooth.shape, dtype=np.int16)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{index:04}.{form}")
    return folder


def lay_out_weights(root: Path) -> tuple[Path, dict[str, str]]:
    """Put the weights where each tool finds them without a download; return the file and the environment."""
    weights = find_weights()
    state: dict[str, Any] = dict(load_state(weights))
    counters = [name.replace("running_var", "num_batches_tracked") for name in state if name.endswith("running_var")]
    state |= {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    state |= {name: torch.tensor(0) for name in counters}
    hub = root / "torch" / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    torch.save(state, hub / RELEASE_FILE)
    cache = root / "cache"
    cache.mkdir()
    (cache / weights.path.name).symlink_to(weights.path.resolve())
    return hub / RELEASE_FILE, {"TORCH_HOME": str(root / "torch"), CACHE_VARIABLE: str(cache)}


def fid_in(output: str) -> float:
    found = re.search(r"(?:FID:|frechet_inception_distance:)\s*([-+0-9.e]+)", output)
    assert found, output
    return float(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, nargs=2, help="real and generated, each of images of one size")
    parser.add_argument("--number", type=int, default=300, help="images of each set that is drawn")
    parser.add_argument("--size", type=int, nargs=2, default=(480, 360), help="width and height of drawn images")
    parser.add_argument("--format", choices=("png", "jpeg"), default="png", help="of drawn images")
    parser.add_argument("--tools", nargs="+", choices=list(_RESIZES), default=list(_RESIZES))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / f"fid-{today()}.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        folders = arguments.photos or [
            draw_photos(root / name, arguments.number, seed, tuple(arguments.size), arguments.format)
            for seed, name in enumerate(("real", "fake"))
        ]
        document = measure(root, [str(folder) for folder in folders], arguments.tools)
    drawn = [f"drawn, {arguments.format}, {arguments.size[0]} x {arguments.size[1]}"] * 2
    document["photos"] = [str(folder) for folder in arguments.photos or drawn]
    write_json(arguments.out, document)
    print(f"written: {arguments.out}")


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float, str]:
    """Seconds on the clock and of the processor, in which waiting for other work is no part, and what was printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds, output = command_seconds(command, environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, output


def measure(root: Path, folders: list[str], tools: list[str]) -> dict[str, Any]:
    machine = describe_machine()
    weights, environment = lay_out_weights(root)
    images = [len(list(Path(folder).iterdir())) for folder in folders]
    peers = {
        "pytorch-fid": ["-c", _DECLARE + _PYTORCH_FID, *folders, "--device", "cpu", "--num-workers", "2"],
        "torch-fidelity": [
            *("-c", _DECLARE + _TORCH_FIDELITY, "--cpu", "--fid", "--no-cache", "--silent"),
            *("--feature-extractor-weights-path", str(weights), "--input1", folders[0], "--input2", folders[1]),
        ],
        "clean-fid": ["-c", _DECLARE + _CLEAN_FID, *folders],
        "torchmetrics": ["-c", _DECLARE + _TORCHMETRICS, str(weights), *folders],
    }
    rows = {}
    for name in tools:
        peer_seconds, peer_processor, output = timed(peers[name], environment)
        ours = ["-m", "p2phd_eval", "fid", *folders, "--device", "cpu", "--resize", _RESIZES[name], "--json", "-"]
        cold_seconds, cold_processor, document = timed(ours, environment)
        # The features of this mode are now in the cache; twice, for the shorter.
        warm = [timed(ours, environment) for _ in range(2)]
        warm_seconds, warm_processor = min(each[0] for each in warm), min(each[1] for each in warm)
        row = {
            "resize": _RESIZES[name],
            "fid_peer": fid_in(output),
            "fid": json.loads(document)["fid"],
            "fid_se": json.loads(document)["fid_se"],
            "seconds_peer": peer_seconds,
            "seconds_cold": cold_seconds,
            "seconds_warm": warm_seconds,
            "processor_seconds_peer": peer_processor,
            "processor_seconds_cold": cold_processor,
            "processor_seconds_warm": warm_processor,
            "ratio_cold": peer_seconds / cold_seconds,
            "ratio_warm": peer_seconds / warm_seconds,
            "ratio_cold_of_processor": peer_processor / cold_processor,
        }
        row["difference"] = row["fid"] - row["fid_peer"]
        rows[name] = row
        print(
            f"{name}: FID {row['fid_peer']:.6f} in {peer_seconds:.1f} s; here {row['fid']:.6f} "
            f"({row['difference']:+.1e}) in {cold_seconds:.1f} s cold ({row['ratio_cold']:.2f}x), "
            f"{warm_seconds:.2f} s warm ({row['ratio_warm']:.0f}x); of the processor {peer_processor:.1f}, "
            f"{cold_processor:.1f} ({row['ratio_cold_of_processor']:.2f}x), {warm_processor:.2f} s",
            flush=True,
        )
    return {"date": today(), "machine": machine, "images": images, "tools": rows}


if __name__ == "__main__":
    main()
