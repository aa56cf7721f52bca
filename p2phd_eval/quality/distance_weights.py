"""Which distances of two images take weights that somebody brings, and where these are. Known without torch."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256

#: No distance beside those that are always there.
NO_WEIGHTS: Mapping[str, Path] = {}

#: What `--distance-weights NAME=PATH` knows: the distance, and what the path is.
WEIGHTED = {
    "dists": "torchvision's vgg16-397923af.pth",
    "dreamsim": "a folder with DreamSim's single model open_clip_vitb32",
}


def parse_distance_weights(given: Sequence[str]) -> dict[str, Path]:
    """Return the weights of each distance that texts such as ``dists=vgg16-397923af.pth`` name.

    Raises `InputError` if a text has another form, names a distance that is not there, names one twice, or its path
    leads to nothing.
    """
    found: dict[str, Path] = {}
    for text in given:
        name, _, path = text.partition("=")
        if name not in WEIGHTED or not path:
            expected = " or ".join(f"{known}=PATH, {what}" for known, what in WEIGHTED.items())
            raise InputError("--distance-weights", expected=expected, found=repr(text), fix=_FIX)
        if name in found:
            raise InputError("--distance-weights", expected=f"{name} once", found=f"{found[name]} and {path}")
        found[name] = Path(path)
    require_distance_weights(found)
    return found


def require_distance_weights(weights: Mapping[str, Path]) -> None:
    """Raise InputError unless the distances are known, and there is something where their weights should be."""
    for name, path in weights.items():
        if name not in WEIGHTED:
            raise InputError("weights of distances", expected=" or ".join(WEIGHTED), found=repr(name), fix=_FIX)
        if not path.exists():
            raise InputError(
                f"--distance-weights {name}={path}", expected=WEIGHTED[name], found="nothing there", fix=_FIX
            )


def weights_sha256(path: Path) -> str:
    """Return the hash of a file, or of the names and contents of all files in a folder, hexadecimal."""
    if path.is_file():
        return file_sha256(path)
    digest = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()} {file_sha256(file)}\n".encode())
    return digest.hexdigest()


_FIX = "See docs/distances.md. (LPIPS' weights are given with --lpips-weights.)"
