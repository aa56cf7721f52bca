"""Procedural street scenes: labels, instances and photos from a seed, for demonstrations and tests.

No scene is read from anywhere. A photo depends on its label map in ways that a generator can learn (a colour and
a texture for each class, shading inside objects, perspective), while season, light and colours vary.
"""

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from p2phd_eval.beside import run_beside
from p2phd_eval.errors import InputError, require_at_least, require_whole, shown
from p2phd_eval.files import write_json
from p2phd_eval.images.png import write_png
from p2phd_eval.locks import filled_whole, hold_folder, is_free
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.scenes.canvas import Canvas, Label
from p2phd_eval.scenes.street import draw_camera, draw_light, draw_street, paint_street

CLASSES: tuple[str, ...] = tuple(label.name.lower().replace("_", " ") for label in Label)
"""Names of the classes by label id."""

_MOST_SCENES = 1_000_000  # that a name has digits for
_MIN_SIDE = 32  # pixels; below this most objects vanish
_MAX_SIDE = 2**13  # pixels; a scene of so many both ways takes some 5 GB to draw


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene:
    """One street scene; the three arrays are aligned pixel by pixel.

    Instances are numbered as in Cityscapes: `label * 1000 + k` for things that can be counted (people, cars,
    buses), `label` alone for everything else.
    """

    label: npt.NDArray[np.uint8]  # (h, w), an index into CLASSES
    instance: npt.NDArray[np.uint16]  # (h, w)
    photo: npt.NDArray[np.uint8]  # (h, w, 3), RGB


def render_scene(seed: int, *, width: int, height: int) -> Scene:
    """Draw the street scene of a seed.

    The same seed and size give the same bytes; the same seed at another size gives the same scene, scaled.

    `seed`: at least 0. `width` and `height`: size in pixels, at least 32 each. Raises `InputError` if the seed is
    negative or a side is too small.
    """
    _check_seed_and_size(seed, width, height)
    # Separate streams: the number of pixels must not change what is drawn.
    layout, textures, sensor = (np.random.default_rng([stream, seed]) for stream in range(3))
    street = draw_street(layout)
    camera = draw_camera(layout, street)
    canvas = Canvas(width=width, height=height, camera=camera, light=draw_light(layout))
    paint_street(canvas, layout, street)
    label, instance, photo = canvas.develop(textures, sensor)
    return Scene(label=label, instance=instance, photo=photo)


def write_dataset(
    out: Path,
    *,
    n_train: int = 200,
    n_test: int = 100,
    width: int = 256,
    height: int = 128,
    seed: int = 0,
    on_progress: OnProgress = unwatched,
) -> None:
    """Write scenes as pix2pixHD lays out Cityscapes, with `classes.json` beside them.

    The folders are `train_label`, `train_inst`, `train_img` and the same for `test`; the three files of a scene
    share their name, `scene_000000.png` and so on. Training and test scenes never share a seed, nor do the
    scenes of two dataset seeds, and a larger dataset begins with the scenes of a smaller one.

    Parameters
    ----------
    out : Path
        A folder that does not exist yet, or an empty one.
    n_train, n_test : int
        Number of scenes; at least 1 and 0.
    width, height : int
        Size in pixels, at least 32 each.
    seed : int
        The dataset follows from it; at least 0.
    on_progress : callable, optional
        Called with (scenes done, scenes in all).

    Raises
    ------
    InputError
        If a number is out of range, or `out` is a file or holds anything.
    """
    require_whole(1, _MOST_SCENES, {"--train": n_train})
    require_whole(0, _MOST_SCENES, {"--test": n_test})
    _check_seed_and_size(seed, width, height)
    with hold_folder(out):
        _write(out, {"train": n_train, "test": n_test}, width, height, seed, on_progress)


def _write(out: Path, sizes: dict[str, int], width: int, height: int, seed: int, on_progress: OnProgress) -> None:
    if not is_free(out):
        raise InputError(
            str(out), expected="a new or empty folder", found="a folder that holds files", fix="Name another folder."
        )
    jobs = [(split, i) for split, n in sizes.items() for i in range(n)]
    # classes.json last, so that its presence says that the dataset is whole.
    with filled_whole(out, Path.is_file) as part:

        def writes() -> Iterator[Callable[[], int]]:
            for number, (split, index) in enumerate(jobs, start=1):
                scene = render_scene(_scene_seed(seed, split, index), width=width, height=height)
                yield partial(_write_scene, part, split, f"scene_{index:06d}.png", scene, number)

        # A small scene waits longer for the disk than it takes to draw.
        run_beside(writes(), lambda number: on_progress(number, len(jobs)))
        write_json(part / "classes.json", {"label_nc": len(CLASSES), "classes": list(CLASSES)})


def _write_scene(folder: Path, split: str, name: str, scene: Scene, number: int) -> int:
    for kind, pixels in (("label", scene.label), ("inst", scene.instance), ("img", scene.photo)):
        write_png(folder / f"{split}_{kind}" / name, pixels)
    return number


def _check_seed_and_size(seed: int, width: int, height: int) -> None:
    require_at_least(0, {"--seed": seed})
    for name, side in (("--width", width), ("--height", height)):
        require_at_least(_MIN_SIDE, {name: side})
        if side > _MAX_SIDE:
            raise InputError(name, expected=f"at most {_MAX_SIDE} pixels", found=shown(side))


def _scene_seed(seed: int, split: str, index: int) -> int:
    # One bit for the split and 32 for the index: no two scenes of any datasets meet.
    return (seed << 33) | (index << 1) | (split == "test")
