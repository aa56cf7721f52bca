"""What the files of a data set hold, by their hashes."""

import hashlib
from collections.abc import Mapping, Sequence

from p2phd_eval.files import hash_files, name_bytes
from p2phd_eval.generators.data.triplets import Triplet
from p2phd_eval.progress import ProgressFactory


def image_name(triplet: Triplet) -> str:
    """Return the name of the image that is made from a sample, with "/" between folders."""
    return f"{triplet.name}.png"


def read_contents(triplets: Sequence[Triplet], progress: ProgressFactory) -> dict[str, dict[str, str]]:
    """Return the SHA-256 of each sample's files by what they are of, as `Batch.contents`, by the image's name."""
    places = [(image_name(triplet), part, path) for triplet in triplets for part, path in triplet.files.items()]
    with progress("read the data", "files") as on_progress:
        hashes = hash_files([path for _, _, path in places], on_progress)
    contents: dict[str, dict[str, str]] = {}
    for (name, part, _), sha256 in zip(places, hashes, strict=True):
        contents.setdefault(name, {})[part] = sha256
    return contents


def contents_sha256(contents: Mapping[str, Mapping[str, str]]) -> str:
    """Return the hash of what `read_contents` returned: of names and contents, in any order."""
    digest = hashlib.sha256()
    for name, parts in sorted(contents.items()):
        for part, sha256 in sorted(parts.items()):
            digest.update(name_bytes(f"{name}\0{part}\0{sha256}\n"))
    return digest.hexdigest()


def describe_difference(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Say how many files were changed, added and lost, with an example of each."""
    kinds = {
        "changed": sorted(name for name in before.keys() & now.keys() if before[name] != now[name]),
        "added": sorted(now.keys() - before.keys()),
        "gone": sorted(before.keys() - now.keys()),
    }
    return ", ".join(
        f"{len(names)} {kind} ({'' if len(names) == 1 else 'such as '}{names[0]})"
        for kind, names in kinds.items()
        if names
    )
