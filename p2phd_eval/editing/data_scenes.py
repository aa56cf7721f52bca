"""The scenes of a data set: opened from its files, and written as files that every command reads."""

from __future__ import annotations

import io
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from p2phd_eval.config import DataConfig
from p2phd_eval.editing.numbering import Numbering
from p2phd_eval.editing.scene import Labels, Mask, Scene, pack_colours, split_colours
from p2phd_eval.errors import InputError, shown
from p2phd_eval.files import atomic_write, file_sha256
from p2phd_eval.generators.data.contents import contents_sha256, read_contents
from p2phd_eval.generators.data.triplets import (
    Triplet,
    find_triplets,
    read_map,
    read_photo,
    require_equal_sizes,
    stored_label_nc,
)
from p2phd_eval.generators.sampling.region_styles import PHASE, styles_path
from p2phd_eval.images.decoding import open_image
from p2phd_eval.images.png import write_png
from p2phd_eval.progress import ProgressFactory, silent

_OPAQUE = 128  # of 255
_KEPT = 8  # scenes that stay in memory


@dataclass(frozen=True, kw_only=True)
class DataScenes:
    """One part of a data set, open for editing."""

    root: Path
    phase: str
    config: DataConfig
    triplets: Mapping[str, Triplet]  # by key
    sha256: str  # of the names and contents of all label and instance maps
    numbering: Numbering | None  # None without instance maps
    _scenes: OrderedDict[str, Scene] = field(default_factory=OrderedDict, repr=False)  # the newest

    @classmethod
    def open(
        cls,
        root: str | Path,
        phase: str,
        *,
        label_nc: int | None = None,
        instances: bool | None = None,
        progress: ProgressFactory = silent,
    ) -> DataScenes:
        """Open a data set in pix2pixHD's layout; all of its maps are read.

        `label_nc`: by default that of `classes.json`, or else 35. `instances`: whether instance maps are used, by
        default if there are any of this phase. Raises `InputError` if files are missing or cannot be used, or regions
        have styles of their own, as those of a data set that was edited before: they would be lost.
        """
        root = Path(root)
        if not re.match(PHASE, phase):
            raise InputError("--phase", expected="the name of a part of the data set, such as test", found=shown(phase))
        if (given := styles_path(root, phase)).exists():
            raise InputError(
                str(given),
                expected="a data set whose regions have no styles of their own",
                found="one that was edited",
                fix="Edit the data set that it was made from, with all edits in one script.",
            )
        config = editing_config(root, phase, label_nc, instances)
        triplets = find_triplets(root, phase, config, photos=False)
        scenes = cls(
            root=root,
            phase=phase,
            config=config,
            triplets={triplet.key: triplet for triplet in triplets},
            sha256=contents_sha256(read_contents(triplets, progress)),
            numbering=None,
        )
        if not config.instances:
            return scenes

        with progress("read the maps", "images") as on_progress:

            def maps() -> Iterator[tuple[Labels, Labels]]:
                for done, triplet in enumerate(triplets, start=1):
                    label, instance = read_maps(triplet, config)
                    assert instance is not None  # the configuration says so
                    yield label, instance
                    on_progress(done, len(triplets))

            return replace(scenes, numbering=Numbering.of(maps()))

    @property
    def features(self) -> Literal["instance", "label"]:
        """Which regions have styles where nobody says otherwise."""
        return "instance" if self.config.instances else "label"

    def triplet(self, key: str) -> Triplet:
        """Return the files of an image; raises `InputError` for a key that there is none of."""
        if key not in self.triplets:
            raise InputError(
                "image",
                expected=f"the name of a label map of {self.root}, such as {min(self.triplets)!r}",
                found=repr(key),
            )
        return self.triplets[key]

    def scene(self, key: str, features: Literal["instance", "label"] | None = None) -> Scene:
        """Return the scene of an image, without styles; a few of them stay in memory.

        It may be called from several threads. Raises `InputError` for a key that there is none of, or maps that cannot
        be used.
        """
        # Taken out and put back as the newest: another thread that looks meanwhile reads the maps itself.
        found = self._scenes.pop(key, None) or self._read_scene(key)
        while len(self._scenes) >= _KEPT:
            self._scenes.popitem(last=False)
        self._scenes[key] = found
        return found if features in (None, found.features) else replace(found, features=features)

    def _read_scene(self, key: str) -> Scene:
        label, instance = read_maps(self.triplet(key), self.config)
        return Scene(
            image=key,
            label=label,
            label_nc=self.config.label_nc,
            instance=instance,
            features=self.features,
            numbering=self.numbering,
        )


def editing_config(root: Path, phase: str, label_nc: int | None, instances: bool | None) -> DataConfig:
    """Return what is read of a data set, where it is not said: classes by `classes.json`, instances if there are."""
    stored = stored_label_nc(root) if label_nc is None else label_nc
    config = DataConfig(instances=(root / f"{phase}_inst").is_dir() if instances is None else instances)
    return config if stored is None else replace(config, label_nc=stored)


def read_maps(triplet: Triplet, config: DataConfig) -> tuple[Labels, Labels | None]:
    """Return the label map, and the instance map if it is used, int32 (H, W).

    Raises `InputError` if one cannot be read or they differ in size; labels are checked by the scene.
    """
    if config.label_nc:
        image = read_map(triplet.label)
        label = np.asarray(image).astype(np.int32)
    else:
        image = read_photo(triplet.label)
        label = pack_colours(np.asarray(image))
    if triplet.instance is None:
        return label, None
    instance = read_map(triplet.instance, "instance map")
    require_equal_sizes(image.size, triplet.label, instance.size, triplet.instance)
    return label, np.asarray(instance).astype(np.int32)


def write_maps(scene: Scene, label: Path, instance: Path | None) -> None:
    """Write the maps of a scene, atomically: PNG of as many bits as they take, or TIFF for numbers beyond 16 bits.

    `label`, `instance`: the files, without ending; it is appended.
    """
    _write_map(label, scene.label if scene.label_nc else split_colours(scene.label))
    if instance is not None and scene.instance is not None:
        _write_map(instance, scene.instance)


def _write_map(path: Path, values: npt.NDArray[np.uint8] | Labels) -> None:
    png = path.with_name(f"{path.name}.png")
    if values.dtype == np.uint8:
        write_png(png, values)
    elif values.min() >= 0 and values.max() < 2**16:
        write_png(png, values.astype(np.uint8 if values.max() < 2**8 else np.uint16))
    else:
        content = io.BytesIO()
        Image.fromarray(values).save(content, format="TIFF", compression="tiff_adobe_deflate")
        with atomic_write(path.with_name(f"{path.name}.tif")) as stream:
            stream.write(content.getvalue())


def read_mask(path: Path, sha256: str) -> Mask:
    """Return what is at least half opaque in an image file, (h, w).

    Raises `InputError` if the file cannot be read, has no transparency or no such pixel, or is another than its hash
    says.
    """
    image = open_image(path)
    found = file_sha256(path)
    if found != sha256:
        raise InputError(str(path), expected=f"the file with SHA-256 {sha256[:12]}", found=f"another, {found[:12]}")
    if "A" not in image.getbands() and "transparency" not in image.info:
        raise InputError(
            str(path),
            expected="an object on a transparent ground",
            found=f"an image of mode {image.mode} without transparency",
            fix="Save it as PNG with an alpha channel.",
        )
    mask: Mask = np.asarray(image.convert("RGBA"))[..., 3] >= _OPAQUE
    if not mask.any():
        raise InputError(str(path), expected="pixels of an object", found="a transparent image")
    return mask
