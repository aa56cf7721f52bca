"""A run's samples are those that were generated: a folder that says how they were made must hold no others."""

from pathlib import Path

from p2phd_eval.errors import InputError
from p2phd_eval.features.feature_set import images_sha256
from p2phd_eval.files import file_sha256
from p2phd_eval.images.made_images import read_index
from p2phd_eval.images.names import list_images


def require_unaltered_samples(folder: Path, found_sha256: str) -> None:
    """Raise InputError if a folder of `generate` holds other images than its record says.

    `folder`: an image folder; one of an earlier version has no record, and is taken as it is. `found_sha256`: of names
    and contents of the images that its features were computed from, so that usually none is read for this.
    """
    records = read_index(folder)
    names = sorted(records)
    if not records or images_sha256(names, [records[name].sha256 for name in names]) == found_sha256:
        return
    there = {path.relative_to(folder).as_posix(): path for path in list_images(folder).paths}
    differences = {
        "altered": [name for name in names if name in there and file_sha256(there[name]) != records[name].sha256],
        "added": sorted(there.keys() - records.keys()),
        "gone": sorted(records.keys() - there.keys()),
    }
    said = [f"{len(each)} {kind} ({each[0]})" for kind, each in differences.items() if each]
    if said:
        raise InputError(
            str(folder),
            expected="the images that its manifest is about, as they were generated",
            found=", ".join(said),
            fix="Repeat the command that generated them, which makes altered and missing ones again; take away what "
            "was added; or compare the folder as images of your own, without --runs.",
        )
