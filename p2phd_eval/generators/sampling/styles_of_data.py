"""The styles that are set for the images of a data set, read from the file beside its maps and held against these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from p2phd_eval.errors import InputError
from p2phd_eval.generators.data.triplets import Triplet, read_map
from p2phd_eval.generators.sampling.region_styles import ImageStyles, how_to_mend, read_styles, styles_path
from p2phd_eval.generators.sampling.renderer import Renderer
from p2phd_eval.progress import ProgressFactory, silent

_NONE = ImageStyles()


@dataclass(frozen=True, kw_only=True)
class StylesOfData:
    """The styles that are set, by the keys of images; of most images none."""

    styles: Mapping[str, ImageStyles] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)  # of what they are made from

    def of(self, triplet: Triplet) -> ImageStyles:
        """Return the styles of an image."""
        return self.styles.get(triplet.key, _NONE)

    def made_from(self, triplet: Triplet, contents: Mapping[str, str]) -> dict[str, str]:
        """Return the contents that an image is made from: those of its files, and its styles where it has some."""
        own = self.sha256.get(triplet.key)
        return {**contents, **({} if own is None else {"styles": own})}


def styles_of_data(
    renderer: Renderer,
    data: Path,
    phase: str,
    triplets: Sequence[Triplet],
    asked: Sequence[Triplet],
    progress: ProgressFactory = silent,
) -> StylesOfData:
    """Read the styles of a part of a data set, check each, and encode the photos that they are of.

    `triplets`: all of the part. `asked`: those that are to be rendered, whose styles count. Raises `InputError` if the
    file is none, or of another kind of model; or names an image, a region, a cluster, a photo or a part of one that is
    not there.
    """
    path, found = styles_path(data, phase), read_styles(data, phase)
    if found is None:
        return StylesOfData()
    fix, keys = how_to_mend(path), {triplet.key for triplet in triplets}
    for key in found.images:
        if key not in keys:
            example = f"keys of label maps, such as {triplets[0].key!r}"
            raise InputError(f"{path}, images", expected=example, found=repr(key), fix=fix)
    features, kind = renderer.features, renderer.config.features.kind
    if features is None:
        if any(each.regions for each in found.images.values()):
            raise InputError(
                str(path),
                expected="a model with features, which styles are for",
                found="one without",
                fix=f"Use a run that was trained with --features {found.features}, or move the file away to generate "
                "without styles.",
            )
        return StylesOfData()
    if found.features != kind:
        raise InputError(
            f"{path}, features",
            expected=f"{kind!r}: the model's features are those of each {kind}",
            found=repr(found.features),
            fix=fix,
        )
    own = {triplet.key: triplet for triplet in asked if triplet.key in found.images}
    sha256 = {}
    with progress("read styles", "images") as on_progress:
        for done, (key, triplet) in enumerate(own.items(), start=1):
            styles = found.images[key]
            if styles.regions:
                _require_regions(styles, triplet, kind, f"{path}, {key}", fix)
            try:
                sha256[key] = features.sha256(styles)
            except InputError as error:
                raise InputError(
                    f"{path}, {key}, {error.where}", expected=error.expected, found=error.found, fix=error.fix or fix
                ) from error
            on_progress(done, len(own))
    return StylesOfData(styles={key: found.images[key] for key in own}, sha256=sha256)


def _require_regions(styles: ImageStyles, triplet: Triplet, kind: str, where: str, fix: str) -> None:
    # In the file itself, since a small region may be lost where maps are made smaller: that is no mistake.
    file = triplet.label if kind == "label" else triplet.instance
    assert file is not None  # the model sees instances
    there = np.unique(np.asarray(read_map(file, "label map" if kind == "label" else "instance map"))).tolist()
    for number in styles.regions:
        if number not in there:
            some = ", ".join(map(str, there[:5]))
            raise InputError(
                f"{where}, regions",
                expected=f"numbers that {file.name} has, such as {some}",
                found=str(number),
                fix=fix,
            )
