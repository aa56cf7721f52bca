"""Writes docs/images/editing-*.webp: maps and what a model makes of them, before and after each operation of editing.

Run `python docs/make_editing_pictures.py WORK`. WORK is a folder for data sets and models, in which what is there
already is not made again: trainings of some minutes each on a processor. With `--cityscapes FOLDER`, a folder in
pix2pixHD's layout with triplets to train on and test maps of Cityscapes, its picture is made too; no photo of it is
shown. `--only NAME` makes one picture. Needs scikit-image for the points of faces, as docs/make_faces_figure.py.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from p2phd_eval.config import DataConfig  # noqa: E402
from p2phd_eval.editing.data_scenes import DataScenes, editing_config, read_maps  # noqa: E402
from p2phd_eval.editing.edits import Cut, Edit, LabelEdit, ObjectEdit, StrokeEdit, StyleEdit  # noqa: E402
from p2phd_eval.editing.faces.face_maps import part_map  # noqa: E402
from p2phd_eval.editing.faces.face_points import Points  # noqa: E402
from p2phd_eval.editing.faces.landmark_files import read_landmarks, write_landmarks  # noqa: E402
from p2phd_eval.editing.script import script_for, write_script  # noqa: E402
from p2phd_eval.editor.palette import palette_of  # noqa: E402
from p2phd_eval.generators.data.triplets import Triplet, find_triplets  # noqa: E402
from p2phd_eval.generators.sampling.region_styles import ClusterStyle  # noqa: E402
from p2phd_eval.images.pictures import picture_grid  # noqa: E402
from p2phd_eval.images.png import write_png  # noqa: E402
from tests.editing.faces.face_of_a_photo import WHOLE  # noqa: E402

Pixels = npt.NDArray[np.uint8]
IMAGES = Path(__file__).parent / "images"
COLUMNS = ("label map", "edited", "generated", "of the edited map")
DRAWN = 256  # pixels of a side of a drawn face


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """A picture: a data set, how a model is trained on it, and an edit for each row."""

    data: Path
    training: tuple[str | int, ...]  # options of `train`, after those that all have
    features: Literal["instance", "label"]
    edits: Mapping[str, Edit]  # by the caption of the row; of different images
    size: tuple[int, int]  # of a tile, width and height in pixels


def product(*arguments: str | int | Path) -> None:
    """Run a command of the product."""
    print("p2phd-eval", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "p2phd_eval", *map(str, arguments)], check=True)


def scenes(work: Path) -> Gallery:
    """The embedded scenes."""
    data = work / "scenes"
    if not data.is_dir():
        product("data", "synthesize", data, "--train", 200, "--test", 12)
    car = Cut(image="scene_000009", label=10, number=10013)
    return Gallery(
        data=data,
        training=(),
        features="instance",
        edits={
            "style changing: the car takes another cluster of its class": StyleEdit(
                image="scene_000004", point=(67, 85), style=ClusterStyle(label=10, k=2)
            ),
            "label changing: the buildings become vegetation": LabelEdit(
                image="scene_000003", point=(220, 30), label=6
            ),
            "adding an object: a car cut out of another scene, 1.2 times as large": ObjectEdit(
                image="scene_000007", source=car, label=10, at=(70, 62), scale=1.2
            ),
            "adding a stroke: vegetation along the house, 30 pixels wide": StrokeEdit(
                image="scene_000002", points=((215, 20), (248, 50)), width=30, label=6
            ),
        },
        size=(256, 128),
    )


def cityscapes(data: Path) -> Gallery:
    """Cityscapes' sample."""
    return Gallery(
        data=data,
        training=("--load-size", 256, "--n-downsample", 3, "--vgg", "none", "--epochs", 60, "--epochs-decay", 20),
        features="instance",
        edits={
            "style changing: the van takes another cluster of its class": StyleEdit(
                image="frankfurt_000001_042733", point=(970, 400), style=ClusterStyle(label=26, k=3)
            ),
            "label changing: the buildings become vegetation": LabelEdit(
                image="frankfurt_000001_032711", point=(200, 150), label=21
            ),
            "adding an object: a car cut out of another map": ObjectEdit(
                image="frankfurt_000000_001236",
                source=Cut(image="frankfurt_000000_003357", label=26, number=26009),
                label=26,
                at=(700, 420),
            ),
            "adding a stroke: vegetation along the house, 200 pixels wide": StrokeEdit(
                image="frankfurt_000001_013710", points=((60, 120), (420, 240)), width=200, label=21
            ),
        },
        size=(256, 128),
    )


def faces(work: Path) -> Gallery:
    """Drawn faces, whose parts are classes."""
    data = work / "faces"
    if not data.is_dir():
        rng = np.random.default_rng(0)
        for phase, n in (("train", 120), ("test", 8)):
            for k in range(n):
                points = some_face(rng)
                write_landmarks(work / "drawn" / phase / f"face_{k:02}.txt", points)
                write_png(work / "drawn" / f"{phase}_photos" / f"face_{k:02}.png", drawn_face(points, rng))
            product(
                *("edit", "faces", work / "drawn" / phase, "--photos", work / "drawn" / f"{phase}_photos"),
                *("--maps", "parts", "--size", 128, 128, "--phase", phase, "--out", data),
            )
    return Gallery(
        data=data,
        training=("--load-size", 96, "--epochs", 8, "--epochs-decay", 4),
        features="label",
        edits={
            "style changing: the face takes another cluster": StyleEdit(
                image="face_00", point=(36, 64), style=ClusterStyle(label=1, k=1)
            ),
            "label changing: an eye becomes a part of the face": LabelEdit(image="face_01", point=(48, 46), label=1),
            "adding a stroke: eyebrow under the nose, 5 pixels wide": StrokeEdit(
                image="face_03", points=((52, 75), (64, 72), (76, 75)), width=5, label=2
            ),
        },
        size=(128, 128),
    )


def some_face(rng: np.random.Generator) -> Points:
    """Points of a face of its own shape and expression."""
    points = WHOLE.copy()
    points[17:27, 1] -= rng.uniform(-2, 5)  # eyebrows
    opened = max(0.0, rng.uniform(-6, 10))
    points[[*range(55, 60), *range(65, 68)], 1] += opened  # the lower lip
    points[4:13, 1] += 0.7 * opened * np.sin(np.linspace(0, np.pi, 9))  # the jaw below it
    spread = rng.uniform((1.45, 1.45), (1.75, 1.75))
    return (points - WHOLE.mean(axis=0)) * spread + DRAWN / 2 + rng.uniform(-8, 8, 2)


def drawn_face(points: Points, rng: np.random.Generator) -> Pixels:
    """A picture of a face: its parts in colours of its own, hair behind it, shaded."""
    parts = part_map(points, (DRAWN, DRAWN))
    skin = np.array([(238, 200, 172), (205, 150, 115), (150, 100, 72), (95, 62, 45)][rng.integers(4)]) * 1.0
    hair = np.array([(30, 24, 22), (92, 58, 34), (196, 160, 92), (150, 60, 30)][rng.integers(4)]) * 1.0
    lips = [(170, 60, 66), (200, 96, 100), (120, 50, 60)][rng.integers(3)]
    colours = np.array([rng.uniform(60, 220, 3), skin, 0.8 * hair, 0.86 * skin, (240, 240, 238), lips, (70, 20, 26)])
    y, x = np.mgrid[:DRAWN, :DRAWN]
    middle, half = points[[0, 16]].mean(axis=0), (points[16, 0] - points[0, 0]) / 2
    picture = colours[parts]
    picture[(parts == 0) & (((x - middle[0]) / (1.25 * half)) ** 2 + ((y - middle[1]) / (1.35 * half)) ** 2 < 1)] = hair
    for eye in (points[36:42], points[42:48]):
        iris, wide = eye.mean(axis=0), np.ptp(eye[:, 0])
        picture[(parts == 4) & (np.hypot(x - iris[0], y - iris[1]) < wide / 4)] = (50, 70, 90)
    picture *= (1.05 - 0.3 * ((x - middle[0]) / (2 * half) - 0.15) ** 2 - 0.1 * y / DRAWN)[..., None]
    picture += rng.normal(0, 4, picture.shape)
    return np.asarray(Image.fromarray(picture.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1)))


def changed(points: Points) -> Points:
    """The same face with raised eyebrows and an open mouth."""
    moved = points.copy()
    moved[17:27, 1] -= 5
    moved[[*range(55, 60), *range(65, 68)], 1] += 9  # the lower lip
    moved[4:13, 1] += 6 * np.sin(np.linspace(0, np.pi, 9))  # the jaw below it
    return moved


def trained(work: Path, name: str, gallery: Gallery) -> Path:
    """The model, trained as far as it is not yet, and the clusters of its encoder."""
    run = work / f"{name}-run"
    product(
        *("train", gallery.data, "--out", run, "--preset", "demo", "--features", gallery.features),
        *(*gallery.training, "--seed", 0, "--resume"),
    )
    if not (run / "clusters.npz").is_file():
        product("encode", "cluster", run, gallery.data)
    return run


def files_of(data: Path) -> tuple[DataConfig, dict[str, Triplet]]:
    """The maps of a data set, edited or not, by their keys."""
    config = editing_config(data, "test", None, None)
    return config, {each.key: each for each in find_triplets(data, "test", config, photos=False)}


def maps(data: Path, gallery: Gallery, images: list[str]) -> list[Pixels]:
    """Label maps in their colours."""
    config, files = files_of(data)
    shown = []
    for image in images:
        label, _ = read_maps(files[image], config)
        palette = palette_of(gallery.data, config.label_nc, label)
        rgb = np.array([(each.colour >> 16, each.colour >> 8 & 255, each.colour & 255) for each in palette], np.uint8)
        small = Image.fromarray(rgb[label]).resize(gallery.size, Image.Resampling.NEAREST)
        shown.append(np.asarray(small))
    return shown


def samples(run: Path, data: Path, out: Path, images: list[str]) -> list[Pixels]:
    """What the model makes of the maps of a data set."""
    shutil.rmtree(out, ignore_errors=True)
    product("generate", run, data, "--out", out, "--batch-size", 1)
    _, files = files_of(data)
    return [np.asarray(Image.open(out / f"{files[image].name}.png")) for image in images]


def make(work: Path, name: str, gallery: Gallery) -> None:
    """Train, edit, generate, and set the pictures side by side."""
    run, edited = trained(work, name, gallery), work / f"{name}-edited"
    captions, images = list(gallery.edits), [edit.image for edit in gallery.edits.values()]
    script = work / f"{name}-edits.json"
    write_script(
        script, script_for(DataScenes.open(gallery.data, "test"), tuple(gallery.edits.values()), gallery.features)
    )
    shutil.rmtree(edited, ignore_errors=True)
    product("edit", "apply", gallery.data, "--script", script, "--out", edited)
    before = samples(run, gallery.data, work / f"{name}-before", images)
    after = samples(run, edited, work / f"{name}-after", images)
    rows = list(zip(maps(gallery.data, gallery, images), maps(edited, gallery, images), before, after, strict=True))
    if name == "faces":
        rows.append(with_points_moved(work, run, gallery))
        captions.append("face changing: points of mouth and eyebrows moved, and the map drawn again")
    Image.fromarray(picture_grid(rows, COLUMNS, captions)).save(IMAGES / f"editing-{name}.webp", quality=90, method=6)


def with_points_moved(work: Path, run: Path, gallery: Gallery) -> tuple[Pixels, Pixels, Pixels, Pixels]:
    """The row of a face that is changed by its points."""
    moved, out, image = work / "moved", work / "faces-moved", ["face_03"]
    points = read_landmarks(gallery.data / "test_keypoints" / "face_03.txt").points
    write_landmarks(moved / "face_03.txt", changed(points))
    shutil.rmtree(out, ignore_errors=True)
    product(
        *("edit", "faces", moved, "--photos", gallery.data / "test_img", "--maps", "parts", "--phase", "test"),
        *("--out", out),
    )
    (before,), (after,) = maps(gallery.data, gallery, image), maps(out, gallery, image)
    (generated,) = samples(run, gallery.data, work / "faces-before", image)
    (of_it,) = samples(run, out, work / "faces-moved-after", image)
    return before, after, generated, of_it


def main() -> None:
    """Make the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for data sets and models")
    parser.add_argument("--cityscapes", type=Path, help="folder in pix2pixHD's layout")
    parser.add_argument("--only", choices=("scenes", "faces", "cityscapes"))
    arguments = parser.parse_args()
    work = arguments.work
    makers = {"scenes": lambda: scenes(work), "faces": lambda: faces(work)}
    if arguments.cityscapes is not None:
        makers["cityscapes"] = lambda: cityscapes(arguments.cityscapes)
    for name in makers if arguments.only is None else (arguments.only,):
        if name not in makers:
            parser.error("--only cityscapes needs --cityscapes FOLDER")
        make(work, name, makers[name]())


if __name__ == "__main__":
    main()
