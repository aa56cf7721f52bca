"""Label, instance and photo files in pix2pixHD's folder layout, matched by name.

`<phase>_label`, `<phase>_inst` and `<phase>_img`, or `<phase>_A` and `<phase>_B` for photos to photos
(`label_nc` 0). Names match when they are equal without Cityscapes' endings and the file ending; where names repeat in
several folders, such as those of video sequences, by their path (see `p2phd_eval.images.names.image_ids`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from PIL import Image

from p2phd_eval.config import DataConfig
from p2phd_eval.errors import InputError
from p2phd_eval.images.decoding import decode_image, decode_rgb, file_orientation, lossy_format, lossy_labels, read_rgb
from p2phd_eval.images.encoded_files import read_encoded
from p2phd_eval.images.names import ImageSet, differ_in_form_alone, ids_of_sets, list_images
from p2phd_eval.json_files import read_json_as

MapKind = Literal["label map", "instance map"]

# What a map holds, and what to do about one in colours.
_A_MAP = {
    "label map": (
        "class numbers",
        "Save the number of each pixel's class as a grey PNG, not its colour. For photos as input use --label-nc 0.",
    ),
    "instance map": (
        "instance numbers",
        "Save one number a pixel, as a grey PNG of 16 bits or a TIFF of 32. COCO's panoptic colours are the number "
        "R + 256 G + 65536 B: Image.fromarray((np.asarray(image)[..., :3] @ [1, 256, 65536]).astype(np.int32))"
        ".save(name + '.tif').",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Triplet:
    """The files of one sample."""

    key: str  # the common name
    name: str  # of what is made from it: the label map's, without ending, with its folders where keys have them
    label: Path
    instance: Path | None = None
    photo: Path | None = None
    features: Path | None = None  # a precomputed feature map

    @property
    def files(self) -> dict[str, Path]:
        """The files that there are, by what they are of: "label", "instance", "photo", "features"."""
        files = {"label": self.label, "instance": self.instance, "photo": self.photo, "features": self.features}
        return {part: path for part, path in files.items() if path is not None}


def folder_names(phase: str, config: DataConfig) -> tuple[str, str | None, str]:
    """Return the names of the label, instance (or None) and photo folder."""
    instance = f"{phase}_inst" if config.instances else None
    return (f"{phase}_label", instance, f"{phase}_img") if config.label_nc else (f"{phase}_A", instance, f"{phase}_B")


def feature_folder(phase: str) -> str:
    """Return the name of the folder of precomputed feature maps."""
    return f"{phase}_feat"


def files_by_key(folder: Path) -> dict[str, Path]:
    """Return the image files of a folder by their key.

    Raises `InputError` if the folder is missing or empty, or two files have one key.
    """
    images = list_images(folder)
    return by_key(images, images.ids)


def by_key(images: ImageSet, ids: Sequence[str]) -> dict[str, Path]:
    """Return the files of a folder by their keys `ids`; raises InputError if two files have one."""
    found: dict[str, Path] = {}
    for key, path in zip(ids, images.paths, strict=True):
        if key in found:
            first, second = (each.relative_to(images.root).as_posix() for each in (found[key], path))
            alike = differ_in_form_alone(first, second)
            raise InputError(
                str(images.root),
                expected="one file a name",
                found=f"{first} and {second}, "
                + ("which differ in their Unicode form alone (composed or not)" if alike else f"both {key!r}"),
                fix="Keep one of them, or give the other another name.",
            )
        found[key] = path
    return found


def find_triplets(
    root: Path, phase: str, config: DataConfig, *, photos: bool, features: bool = False
) -> tuple[Triplet, ...]:
    """Match the files of one phase by name, in the order of their names.

    `root`: folder of the data set. `phase`: "train", "test" and the like. `photos`: whether photos are needed; for
    sampling they are not. `features`: whether precomputed feature maps are needed, in `<phase>_feat`. Raises
    `InputError` if a folder is missing or empty, or a file has no partner; the first orphans are named.
    """
    label_folder, instance_folder, photo_folder = folder_names(phase, config)
    wanted = {
        "label": label_folder,
        "instance": instance_folder,
        "photo": photo_folder if photos else None,
        "features": feature_folder(phase) if features else None,
    }
    images = {part: list_images(root / folder) for part, folder in wanted.items() if folder is not None}
    ids = dict(zip(images, ids_of_sets([each.names for each in images.values()]), strict=True))
    files = {part: by_key(each, ids[part]) for part, each in images.items()}
    labels, instances, partners, feature_maps = (files.get(part, {}) for part in wanted)
    nested = any("/" in key for key in labels)
    if instance_folder:
        _refuse_orphans(root, label_folder, labels, instance_folder, instances)
    if photos:
        _refuse_orphans(root, label_folder, labels, photo_folder, partners)
    if features:
        _refuse_orphans(root, label_folder, labels, feature_folder(phase), feature_maps)
    return tuple(
        Triplet(
            key=key,
            name=path.relative_to(root / label_folder).with_suffix("").as_posix() if nested else path.stem,
            label=path,
            instance=instances.get(key),
            photo=partners.get(key),
            features=feature_maps.get(key),
        )
        for key, path in sorted(labels.items())
    )


def orphans(a: dict[str, Path], b: dict[str, Path]) -> tuple[list[str], list[str]]:
    """Return the keys that only `a` has and those that only `b` has, sorted."""
    return sorted(a.keys() - b.keys()), sorted(b.keys() - a.keys())


def _refuse_orphans(root: Path, first: str, a: dict[str, Path], second: str, b: dict[str, Path]) -> None:
    for has, lacks, keys in zip((first, second), (second, first), orphans(a, b), strict=True):
        if keys:
            raise InputError(
                str(root),
                expected=f"the same names in {first} and {second}",
                found=f"{len(keys)} only in {has}: {', '.join(keys[:5])}{' ...' if len(keys) > 5 else ''}",
                fix=f"Add them to {lacks} or remove them from {has}; `p2phd-eval data validate` lists all.",
            )


def read_map(path: Path, kind: MapKind = "label map", content: bytes | None = None) -> Image.Image:
    """Open a label or instance map: one channel of numbers of up to 32 bits (a palette image gives its indices).

    A label map may also be grey in three channels, as those of face parts often are; the original converts these.

    Returned in mode "1", "L", "P" or "I", whichever mode the file has: Pillow resizes all of these to nearest by the
    same rule, the original's, and "I;16" by another, which would shift instances against their labels.

    `content`: the file's, where it has been read already.

    Raises `InputError` if the file cannot be read, has several channels that differ, or was compressed with loss.
    """
    if content is None:
        content = read_encoded(path)
    return as_map(decode_image(content, str(path))[0], content, path, kind)


def as_map(image: Image.Image, content: bytes, path: Path, kind: MapKind) -> Image.Image:
    """Return a decoded image as `read_map` does, or raise as it does; `content`: what it was decoded from."""
    lossy = lossy_format(image, content)
    if lossy is not None:
        raise lossy_labels(str(path), kind, lossy)
    if image.mode.startswith("I;16"):
        return image.convert("I")
    if kind == "label map" and image.mode == "RGB" and _is_grey(image):
        return image.getchannel(0)
    if image.mode not in ("1", "L", "P", "I"):
        raise InputError(
            str(path),
            expected=f"{_A_MAP[kind][0]} in one channel",
            found=f"an image of mode {image.mode}",
            fix=_A_MAP[kind][1],
        )
    return image


def _is_grey(image: Image.Image) -> bool:
    pixels = np.asarray(image)
    return bool((pixels == pixels[..., :1]).all())


def read_photo(path: Path, content: bytes | None = None) -> Image.Image:
    """Open a photo of any mode as RGB of 8 bits; `content`: the file's, where it has been read already."""
    return Image.fromarray(read_rgb(path) if content is None else decode_rgb(content, str(path)).pixels)


def check_labels(label: npt.NDArray[np.integer], label_nc: int, path: Path | str) -> None:
    """Raise InputError naming the pixel, and the file or what else `path` says, if a label is outside [0, label_nc)."""
    # Compared before any cast: a wrapped or clipped label would pass silently.
    bad = (label < 0) | (label >= label_nc)
    if bad.any():
        row, column = np.unravel_index(int(bad.argmax()), bad.shape)
        raise InputError(
            str(path),
            expected=f"labels 0 to {label_nc - 1} ({label_nc} classes)",
            found=f"label {label[row, column]} at x={column}, y={row} (and {np.count_nonzero(bad) - 1} more pixels)",
            fix="Pass the right --label-nc, or map the labels to that range.",
        )


def require_equal_sizes(first: tuple[int, int], first_path: Path, second: tuple[int, int], second_path: Path) -> None:
    """Raise InputError naming both files if their sizes, width and height in pixels, differ."""
    if first != second:
        raise InputError(
            str(second_path),
            expected=f"{first[0]} x {first[1]} pixels as {first_path.name} has",
            found=f"{second[0]} x {second[1]}",
            fix=_size_advice(first_path, second_path) if first == second[::-1] else "Export both at one size.",
        )


def _size_advice(*paths: Path) -> str:
    for path in paths:
        orientation = file_orientation(path)
        if orientation > 4:
            return (
                f"{path.name} carries EXIF orientation {orientation}: viewers turn it by 90 degrees, training reads it "
                "as it lies. Turn the pixels themselves: `exiftran -ai FILE`, `mogrify -auto-orient FILE`, or "
                "PIL.ImageOps.exif_transpose(image)."
            )
    return "Width and height are swapped: export both at one size."


def stored_label_nc(data: Path) -> int | None:
    """Return the number of classes that a data set's `classes.json` states; None without that file.

    Raises `InputError` if the file does not state it.
    """
    path = data / "classes.json"
    if not path.is_file():
        return None
    wanted, fix = 'JSON with a number "label_nc"', "Mend it, or pass --label-nc."
    found = read_json_as(_Classes, path, expected=wanted, fix=fix).label_nc
    if found < 0:
        raise InputError(str(path), expected=wanted, found=str(found), fix=fix)
    return found


class _Classes(Struct, frozen=True):
    label_nc: int
