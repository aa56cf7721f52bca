"""Bad input of every kind: how it is made, what is typed, and the exit code and words that are promised.

`docs/bad-input.md` is made of this list and of what the commands really print (`make bad-input`). A kind that is added
here is tested and stands on the page.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import socket
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from PIL import Image

from p2phd_eval import export_onnx, generate, train
from p2phd_eval.editing.data_scenes import DataScenes
from p2phd_eval.generators.sampling.styles import cluster_styles
from p2phd_eval.images.png import write_png


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of bad input."""

    area: str  # a heading of the page
    kind: str  # what is wrong, in a few words
    make: Callable[[], object]  # makes the files in the current folder, which is empty
    typed: str  # the command line behind `p2phd-eval`, words separated by spaces
    words: str  # part of the message
    exit_code: int = 2


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Make a folder the current one."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def photos(folder: str, n: int = 3, size: tuple[int, int] = (12, 16)) -> None:
    """A folder of photos."""
    for i in range(n):
        pixels = np.random.default_rng(i).integers(0, 256, (*size, 3), dtype=np.uint8)
        write_png(Path(folder) / f"{i}.png", pixels)


def data_set() -> None:
    """A data set of three samples with three classes."""
    for phase in ("train", "test"):
        photos(f"data/{phase}_img")
        for i in range(3):
            write_png(Path(f"data/{phase}_label/{i}.png"), np.full((12, 16), i, dtype=np.uint8))
            write_png(Path(f"data/{phase}_inst/{i}.png"), np.full((12, 16), i, dtype=np.uint16))
    text("data/classes.json", json.dumps({"label_nc": 3, "classes": ["a", "b", "c"]}))


def text(path: str, content: str | bytes = "") -> None:
    """A file with some content, and its folders."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content.encode() if isinstance(content, str) else content)


def _arms(table: str) -> None:
    """Real images, a script, and an arms file whose second arm is given."""
    photos("real")
    text("sample.py", "raise SystemExit")
    first = 'name = "a"\ngenerate = ["{python}", "sample.py", "{seed}", "{out}"]'
    text("arms.toml", f"[[arm]]\n{first}\n\n[[arm]]\n{table}\n")


def _script(edit: dict[str, Any], **changes: Any) -> None:
    """A data set and a script of one edit of it."""
    data_set()
    script = {
        "schema": "p2phd-eval/edits",
        "schema_version": 1,
        "data": "data",
        "data_sha256": DataScenes.open("data", "test").sha256,
        "phase": "test",
        "label_nc": 3,
        "instances": True,
        "features": "instance",
        "edits": [{"image": "0"} | edit],
    }
    text("edits.json", json.dumps(script | changes))


def _script_of_a_mask(mode: str) -> None:
    content = io.BytesIO()
    Image.new(mode, (4, 4)).save(content, format="PNG")
    text("car.png", content.getvalue())
    source = {"kind": "file", "file": "car.png", "sha256": hashlib.sha256(content.getvalue()).hexdigest()}
    _script({"kind": "object", "source": source, "label": 1, "at": [2, 2]})


_held: list[socket.socket] = []


def _port_in_use() -> None:
    listener = socket.socket()
    with contextlib.suppress(OSError):  # another process has it
        listener.bind(("127.0.0.1", 8765))
        listener.listen()
    _held.append(listener)  # until the process ends


def _session_of_another() -> None:
    _script({"kind": "remove", "point": [2, 2]}, data_sha256="0" * 64)
    Path("edits").mkdir()
    Path("edits.json").rename("edits/edits.json")
    _run()


def _edited_folder_in_use() -> None:
    _script({"kind": "stroke", "points": [[2, 2]], "width": 3, "label": 1})
    photos("edited")


def _manifest_of_samples(more: str) -> None:
    photos("photos")
    photos("samples")
    text("samples/manifest.jsonl", f'{{"image": "0.png", "condition": "cat", "seed": 0}}\n{more}')


def _damaged_photo() -> None:
    data_set()
    path = Path("data/train_img/1.png")
    path.write_bytes(path.read_bytes()[:200])


def _postscript() -> None:
    data_set()
    text("data/train_img/1.png", "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n")


def _class_out_of_range() -> None:
    data_set()
    write_png(Path("data/test_label/2.png"), np.full((12, 16), 7, dtype=np.uint8))


def _label_without_photo() -> None:
    data_set()
    Path("data/train_img/0.png").unlink()


def _hostile_member() -> None:
    photos("photos")
    with tarfile.open("samples.tar", "w") as archive:
        member = tarfile.TarInfo("\x1b]0;owned\x07\x1b[2Jall is well.png")
        member.type, member.linkname = tarfile.SYMTYPE, "x"
        archive.addfile(member)


def _climbing_member() -> None:
    photos("photos")
    with zipfile.ZipFile("samples.zip", "w") as archive:
        archive.writestr("../../etc/x.png", b"")


def _endless_name() -> None:
    photos("photos")
    with tarfile.open("samples.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        member = tarfile.TarInfo("././@LongLink")
        member.type, member.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
        archive.addfile(member)


def _results_of_two_directions() -> None:
    photos("photos")
    for kind in ("fake_A", "fake_B", "real_A", "real_B"):
        for i in range(2):
            write_png(Path(f"images/{i}_{kind}.png"), np.zeros((12, 16, 3), dtype=np.uint8))


def _pickled_features() -> None:
    photos("photos")
    pickled = np.array([{"a": 1}], dtype=object)
    np.savez("features.npz", features=pickled, ids=pickled, sizes=pickled, stamp=pickled)


def _version_of_tomorrow() -> None:
    text("verdict.json", json.dumps({"schema": "p2phd-eval/compare", "schema_version": 99}))


def _link_to_itself() -> None:
    Path("loop.json").symlink_to("loop.json")


def _jpeg_labels() -> None:
    data_set()
    pixels = np.random.default_rng(0).integers(0, 3, (12, 16), dtype=np.uint8)
    Path("data/train_label/1.png").unlink()
    Image.fromarray(pixels).save("data/train_label/1.jpg")


def _turned_photo() -> None:
    data_set()
    photo = Image.open("data/train_img/1.png")
    exif = photo.getexif()
    exif[0x0112] = 3  # upside down
    photo.save("data/train_img/1.png", exif=exif)


def _transparent_photo() -> None:
    data_set()
    photo = Image.open("data/train_img/1.png").convert("RGBA")
    photo.putalpha(Image.new("L", photo.size, 0))
    photo.save("data/train_img/1.png")


def _complex_features() -> None:
    photos("photos")
    np.savez("statistics.npz", mu=np.zeros(64, complex), sigma=np.eye(64, dtype=complex))


def _run(phases: tuple[str, ...] = ("train",)) -> None:
    """A data set with photos for networks, and a run that was trained on it for one step."""
    data_set()
    for path in Path("data").glob("*_*/*.png"):
        with Image.open(path) as image:
            image.resize((64, 64), Image.Resampling.NEAREST).save(path)
    train("data", "run", device="cpu", **_NETWORKS, epochs=1, epochs_decay=0, log_every=1)
    if "test" in phases:
        generate("run", "data", "samples", device="cpu")


def _styles(features: str, images: dict[str, object]) -> None:
    """A run without features, and styles that are set for its test maps."""
    _run()
    Path("data/test_styles.json").write_text(json.dumps({"features": features, "images": images}))


def _run_with_features() -> None:
    """A run with features of each label, and clusters of them."""
    _run()
    train("data", "feat", device="cpu", **_NETWORKS, features="label", n_downsample_e=1, epochs=1, epochs_decay=0)
    cluster_styles("feat", "data", device="cpu", n_clusters=2)


def _run_of_features_without_clusters() -> None:
    _run_with_features()
    Path("feat/clusters.npz").unlink()


def _edited_graph() -> None:
    """A graph whose weights somebody has changed, and not what it says of itself."""
    _run()
    export_onnx("run", "graph.onnx")
    model = onnx.load("graph.onnx")
    weights = model.graph.initializer[-1]
    weights.raw_data = bytes(len(weights.raw_data))
    onnx.save(model, "graph.onnx")


def _other_photo() -> None:
    _run()
    Path("data/train_img/1.png").write_bytes(Path("data/train_img/2.png").read_bytes())


def _lost_checkpoint() -> None:
    _run()
    Path("run/checkpoints/latest.pt").unlink()


def _samples_of_other_data() -> None:
    _run(("train", "test"))
    for path in Path("data/test_label").iterdir():
        write_png(path, np.full((64, 64), (int(path.stem) + 1) % 3, dtype=np.uint8))


def _folder_in_use() -> None:
    _run()
    write_png(Path("album/holiday.png"), np.zeros((12, 16, 3), dtype=np.uint8))


_NETWORKS: dict[str, Any] = {
    "load_size": 64,
    "label_nc": 3,
    "instances": False,
    "vgg": "none",
    **{"ngf": 2, "n_downsample": 2, "n_blocks": 1, "ndf": 2, "num_d": 1, "n_layers_d": 1},
}
_AS_OPTIONS = (
    "--load-size 64 --label-nc 3 --no-instances --vgg none --ngf 2 --n-downsample 2 --n-blocks 1 --ndf 2 --num-d 1 "
    "--n-layers-d 1 --epochs 1 --epochs-decay 0 --log-every 1"
)


def _siglip() -> None:
    text("siglip/config.json", '{"model_type": "siglip"}')
    text("siglip/model.safetensors")


CASES = (
    Case(area="Images", kind="Nothing there", make=lambda: photos("photos"), typed="fid photos sampels", words="Check"),
    Case(
        area="Images",
        kind="A folder without images",
        make=lambda: (photos("photos"), text("samples/notes.txt", "none yet")),
        typed="fid photos samples",
        words="found",
    ),
    Case(
        area="Images",
        kind="A list that names a file which is not there",
        make=lambda: (photos("photos"), text("list.txt", "photos/0.png\nphotos/7.png\n")),
        typed="fid photos list.txt",
        words="photos/7.png",
    ),
    Case(
        area="Images",
        kind="A manifest of samples with a broken line",
        make=lambda: _manifest_of_samples('{"image": "1.png", "condition": "cat", "seed": -1}\n'),
        typed="fid photos samples",
        words="manifest.jsonl, line 2, $.seed",
    ),
    Case(
        area="Images",
        kind="A folder of which a manifest does not name every image",
        make=lambda: _manifest_of_samples(""),
        typed="fid photos samples",
        words="none for 2 images (1.png, 2.png)",
    ),
    Case(
        area="Images",
        kind="A damaged archive",
        make=lambda: (photos("photos"), text("samples.zip", b"PK\x03\x04 and then nothing")),
        typed="fid photos samples.zip",
        words="samples.zip",
    ),
    Case(
        area="Images",
        kind="An archive whose member would lie outside of it",
        make=_climbing_member,
        typed="fid photos samples.zip",
        words="etc/x.png",
    ),
    Case(
        area="Images",
        kind="An archive that asks for more memory than it has bytes",
        make=_endless_name,
        typed="fid photos samples.tar",
        words="a header of 1073741824 bytes",
    ),
    Case(
        area="Images",
        kind="Results of CycleGAN, photos beside samples of two kinds",
        make=_results_of_two_directions,
        typed="fid photos images",
        words="images::fake_A or images::fake_B",
    ),
    Case(
        area="Images",
        kind="A whole data set in place of its photos",
        make=data_set,
        typed="fid data data/test_img",
        words="such as data/test_img",
    ),
    Case(
        area="Images",
        kind="An archive whose member's name would control the terminal",
        make=_hostile_member,
        typed="fid photos samples.tar",
        words=r"\x1b]0;owned\x07\x1b[2Jall is well.png",
    ),
    Case(
        area="Data sets",
        kind="A photo that breaks off",
        make=_damaged_photo,
        typed="data validate data",
        words="data/train_img/1.png",
    ),
    Case(
        area="Data sets",
        kind="A program in a file that is called an image; it is not run",
        make=_postscript,
        typed="data validate data",
        words="data/train_img/1.png",
    ),
    Case(
        area="Data sets",
        kind="A label map with a class that there is not",
        make=_class_out_of_range,
        typed="data validate data",
        words="data/test_label/2.png",
    ),
    Case(
        area="Data sets",
        kind="A label map without its photo",
        make=_label_without_photo,
        typed="data validate data",
        words="0",
    ),
    Case(
        area="Files of other programs",
        kind="Features that are a pickle; it is not run",
        make=_pickled_features,
        typed="fid photos features.npz",
        words="features.npz",
    ),
    Case(
        area="Files of other programs",
        kind="A checkpoint that is none",
        make=lambda: (data_set(), text("run.pt", b"not a checkpoint")),
        typed="generate run.pt data --out samples",
        words="run.pt",
    ),
    Case(
        area="Documents",
        kind="No JSON",
        make=lambda: text("verdict.json", "{"),
        typed="gate verdict.json --require within",
        words="verdict.json",
    ),
    Case(
        area="Documents",
        kind="A document of a newer version",
        make=_version_of_tomorrow,
        typed="gate verdict.json --require within",
        words="of a newer p2phd-eval",
    ),
    Case(
        area="Targets",
        kind="A folder where a file is to be written",
        make=lambda: Path("out").mkdir(),
        typed="plan --image-sd 60 --margin 2 --json out",
        words="expected a file to write, found a folder",
    ),
    Case(
        area="Targets",
        kind="A link to itself",
        make=_link_to_itself,
        typed="plan --image-sd 60 --margin 2 --json loop.json",
        words="loop.json",
    ),
    Case(
        area="Targets",
        kind="A full disk",
        make=lambda: None,
        typed="plan --image-sd 60 --margin 2 --json /dev/full",
        words="/dev/full: expected to read or write it, found: No space left on device.",
    ),
    Case(
        area="Targets",
        kind="A folder that is in use as a data set already",
        make=data_set,
        typed="data synthesize data --train 1 --test 1",
        words="expected a new or empty folder",
    ),
    Case(
        area="Options",
        kind="A value that is none",
        make=lambda: None,
        typed="plan --power much",
        words="expected a number, found 'much'",
    ),
    Case(
        area="Options",
        kind="A gate without a rule",
        make=lambda: text("verdict.json", "{}"),
        typed="gate verdict.json",
        words="expected a rule: --require within",
    ),
    Case(
        area="Options",
        kind="A device that there is not",
        make=lambda: (photos("photos"), photos("samples")),
        typed="fid photos samples --device warp9",
        words="warp9",
    ),
    Case(
        area="Data sets",
        kind="A label map saved as JPEG, which changes classes",
        make=_jpeg_labels,
        typed="data validate data",
        words="data/train_label/1.jpg",
    ),
    Case(
        area="Data sets",
        kind="A photo that a viewer turns and this tool reads as it lies",
        make=_turned_photo,
        typed="data validate data",
        words="warning",
        exit_code=0,
    ),
    Case(
        area="Data sets",
        kind="A photo with colours below transparent pixels",
        make=_transparent_photo,
        typed="data validate data",
        words="warning",
        exit_code=0,
    ),
    Case(
        area="Files of other programs",
        kind="Statistics that are complex numbers",
        make=_complex_features,
        typed="fid statistics.npz statistics.npz",
        words="statistics.npz",
    ),
    Case(
        area="Files of other programs",
        kind="Weights that are an empty file",
        make=lambda: text("weights.pth"),
        typed="weights verify weights.pth",
        words="weights.pth",
    ),
    Case(
        area="Files of other programs",
        kind="A folder of the original without its generator",
        make=lambda: text("original/opt.txt", "label_nc: 3\n"),
        typed="convert original run",
        words="original",
    ),
    Case(
        area="Documents",
        kind="JSON that is nested without end",
        make=lambda: text("verdict.json", "[" * 100_000),
        typed="gate verdict.json --require within",
        words="verdict.json",
    ),
    Case(
        area="Documents",
        kind="A number that no float holds",
        make=lambda: text("verdict.json", '{"schema": "p2phd-eval/compare", "schema_version": 3, "n": 1e999}'),
        typed="gate verdict.json --require within",
        words="1e999",
    ),
    *(
        Case(
            area="Arms files",
            kind=kind,
            make=partial(_arms, table),
            typed="study real --arms arms.toml --out study",
            words=words,
        )
        for kind, table, words in (
            ("TOML that is none", 'name = "b', "arms.toml, line 6: expected TOML"),
            ("A key that does not exist", 'name = "b"\ngenrate = []', "line 7, arm 2, genrate"),
            (
                "A placeholder that is misspelt",
                'name = "b"\ngenerate = ["{python}", "sample.py", "--seed={sed}", "{out}"]',
                "Did you mean {seed}?",
            ),
            (
                "A command that is not there",
                'name = "b"\ngenerate = ["no-such-program", "{seed}", "{out}"]',
                "'no-such-program', which is not there",
            ),
            (
                "Two arms that are the same",
                'name = "b"\ngenerate = ["{python}", "sample.py", "{seed}", "{out}"]',
                "expected something that tells b from a",
            ),
            (
                "A command that writes anywhere",
                'name = "b"\ngenerate = ["{python}", "sample.py", "{seed}"]',
                "expected {out}, the folder to write the images into",
            ),
            (
                "Runs that are all the same",
                'name = "b"\ngenerate = ["{python}", "sample.py", "{out}"]',
                "the study has 3 seeds",
            ),
            (
                "Inputs among which the study writes",
                'name = "b"\ngenerate = ["{python}", "sample.py", "{out}", "0{seed}"]\ninputs = ["."]',
                "which holds the study's own folder study",
            ),
            ("pix2pixHD without a data set", 'name = "b"\nprecision = "amp-bf16"', "from which b can be trained"),
        )
    ),
    Case(
        area="Targets",
        kind="A name that Slurm cannot write its logs to",
        make=data_set,
        typed="study data --out a\\b --slurm --arms fp32,amp-bf16 --load-size 32 --n-downsample 2 --vgg none",
        words="expected a path that Slurm can write its logs to",
    ),
    Case(
        area="Training",
        kind="A learning rate that is none",
        make=data_set,
        typed="train data --out run --lr inf",
        words="--lr",
    ),
    Case(
        area="Training",
        kind="A seed that torch does not take",
        make=data_set,
        typed="train data --out run --seed 18446744073709551616",
        words="18446744073709551616",
    ),
    Case(
        area="Training",
        kind="A training that would go on with another photo",
        make=_other_photo,
        typed=f"train data --out run --resume {_AS_OPTIONS}",
        words="found 1 changed (train_img/1.png)",
    ),
    Case(
        area="Training",
        kind="A training whose checkpoint is lost",
        make=_lost_checkpoint,
        typed=f"train data --out run --resume {_AS_OPTIONS}",
        words="run/checkpoints/latest.pt: expected the checkpoint of a run whose log reaches step 3",
    ),
    Case(
        area="Training",
        kind="A run folder that has a run already",
        make=_run,
        typed=f"train data --out run {_AS_OPTIONS}",
        words="expected a new run folder",
    ),
    Case(
        area="Training",
        kind="Samples of another data set in the folder",
        make=_samples_of_other_data,
        typed="generate run data --out samples --device cpu",
        words="3 images of which none was made from what is there now",
    ),
    Case(
        area="Training",
        kind="Samples into a folder of other files",
        make=_folder_in_use,
        typed="generate run data --out album --device cpu",
        words="found other files",
    ),
    Case(
        area="Options",
        kind="A confidence that is none",
        make=lambda: None,
        typed="plan --image-sd 60 --margin 2 --confidence 0.9999999999999999",
        words="--confidence",
    ),
    Case(
        area="Styles",
        kind="A style for an image that is not there",
        make=lambda: _styles("label", {"7": {"drawn_as": "0"}}),
        typed="generate run data --out samples --device cpu",
        words="keys of label maps",
    ),
    Case(
        area="Styles",
        kind="Styles for a model without features",
        make=lambda: _styles("label", {"0": {"regions": {"1": {"kind": "cluster", "label": 1, "k": 0}}}}),
        typed="generate run data --out samples --device cpu",
        words="a model with features, which styles are for, found one without",
    ),
    Case(
        area="Styles",
        kind="A style that is none",
        make=lambda: _styles("label", {"0": {"regions": {"1": {"kind": "cluster", "label": 1}}}}),
        typed="generate run data --out samples --device cpu",
        words="expected the key 'k', found none",
    ),
    Case(
        area="Styles",
        kind="A cluster that the class lacks",
        make=_run_with_features,
        typed="generate feat data --out samples --style 1=9 --device cpu",
        words="--style 1: expected a cluster of class 1",
    ),
    Case(
        area="Styles",
        kind="A pinned style without a number",
        make=lambda: None,
        typed="generate run data --out samples --style 7=red",
        words="REGION=K, two whole numbers",
    ),
    Case(
        area="Faces",
        kind="Too few points",
        make=lambda: text("face.txt", "12,30\n" * 67),
        typed="edit faces face.txt --size 64 64 --out data",
        words="face.txt: expected the 68 points of a face, x and y of each, found 67 points",
    ),
    Case(
        area="Faces",
        kind="A point that is none",
        make=lambda: text("face.pts", "version: 1\nn_points: 68\n{\n" + "12 30\n" * 67 + "nan nan\n}\n"),
        typed="edit faces face.pts --size 64 64 --out data",
        words="face.pts, line 71: expected two finite numbers, x and y, found nan, nan",
    ),
    Case(
        area="Faces",
        kind="Points of a larger photo",
        make=lambda: text("face.csv", "x,y\n" + "300,300\n" * 68),
        typed="edit faces face.csv --size 64 64 --out data",
        words="face.csv, line 2: expected a point in or near a picture of 64 x 64 pixels, found 300, 300",
    ),
    Case(
        area="Faces",
        kind="Landmarks without a photo",
        make=lambda: (photos("photos"), text("face.txt", "12,30\n" * 68)),
        typed="edit faces face.txt --photos photos --out data",
        words="expected a photo of the name of each file of landmarks, found none for 1: face",
    ),
    Case(
        area="Faces",
        kind="A landmark model that is none",
        make=lambda: (photos("photos"), text("model.dat", "text")),
        typed="edit faces --photos photos --dlib-model model.dat --out data",
        words="model.dat: expected a landmark model of dlib",
    ),
    Case(
        area="Faces",
        kind="CelebAMask-HQ without its list",
        make=lambda: photos("CelebAMask-HQ/CelebA-HQ-img"),
        typed="data celebamask CelebAMask-HQ data",
        words="expected the file of CelebAMask-HQ that says which photo of CelebA each face is, found none",
    ),
    Case(
        area="Edits",
        kind="A script of another data set",
        make=lambda: _script({"kind": "remove", "point": [2, 2]}, data_sha256="0" * 64),
        typed="edit apply data --script edits.json --out edited",
        words="edits.json: expected a script of the maps in data, test",
    ),
    Case(
        area="Edits",
        kind="A point outside",
        make=lambda: _script({"kind": "remove", "point": [16, 3]}),
        typed="edit apply data --script edits.json --out edited",
        words="edits.json, edit 1, point: expected a point inside 16 x 12 pixels, found x=16, y=3",
    ),
    Case(
        area="Edits",
        kind="A class that there is none of",
        make=lambda: _script({"kind": "stroke", "points": [[2, 2]], "width": 3, "label": 3}),
        typed="edit apply data --script edits.json --out edited",
        words="edits.json, edit 1, label: expected a class from 0 to 2, found 3",
    ),
    Case(
        area="Edits",
        kind="A style of a class that there is none of",
        make=lambda: _script({"kind": "style", "point": [2, 2], "style": {"kind": "cluster", "label": 7, "k": 0}}),
        typed="edit apply data --script edits.json --out edited",
        words="edits.json, edit 1, style: expected one of a class from 0 to 2, found one of class 7",
    ),
    Case(
        area="Edits",
        kind="An empty mask",
        make=lambda: _script_of_a_mask("RGBA"),
        typed="edit apply data --script edits.json --out edited",
        words="car.png: expected pixels of an object, found a transparent image",
    ),
    Case(
        area="Edits",
        kind="A mask without transparency",
        make=lambda: _script_of_a_mask("RGB"),
        typed="edit apply data --script edits.json --out edited",
        words="car.png: expected an object on a transparent ground",
    ),
    Case(
        area="Edits",
        kind="Nothing around what is to be removed",
        make=lambda: _script({"kind": "remove", "point": [2, 2]}),
        typed="edit apply data --script edits.json --out edited",
        words="expected an object with something around it, found one that fills the image",
    ),
    Case(
        area="Edits",
        kind="An edit of an image that is not there",
        make=lambda: _script({"image": "7", "kind": "remove", "point": [2, 2]}),
        typed="edit apply data --script edits.json --out edited",
        words="edits.json, edit 1, image: expected the name of a label map of data",
    ),
    Case(
        area="Edits",
        kind="An edit with a slip",
        make=lambda: _script({"kind": "remove", "points": [[2, 2]]}),
        typed="edit apply data --script edits.json --out edited",
        words="edits.json, $.edits[0]",
    ),
    Case(
        area="Edits",
        kind="A script that is none",
        make=lambda: _script({}, schema="p2phd-eval/gate"),
        typed="edit apply data --script edits.json --out edited",
        words="edits.json, schema: expected 'p2phd-eval/edits', found 'p2phd-eval/gate'",
    ),
    Case(
        area="Edits",
        kind="Edits into a folder of other files",
        make=_edited_folder_in_use,
        typed="edit apply data --script edits.json --out edited",
        words="edited: expected a new or empty folder, or one with the edits of this script",
    ),
    Case(
        area="Edits",
        kind="A second page on a port",
        make=_port_in_use,
        typed="edit serve run --data data",
        words="--port 8765: expected a free port, found one that another program uses",
    ),
    Case(
        area="Edits",
        kind="A script of another data set in the folder of a page",
        make=_session_of_another,
        typed="edit serve run --data data --port 0",
        words="edits/edits.json: expected a script of the maps in data, test",
    ),
    Case(
        area="Engines",
        kind="An engine that there is not",
        make=_run,
        typed="generate run data --out samples --engine openvino",
        words="--engine: expected torch | compile | onnxruntime | tensorrt, found 'openvino'",
    ),
    Case(
        area="Engines",
        kind="8 bits without a graph",
        make=_run,
        typed="generate run data --out samples --precision int8",
        words="Add --engine onnxruntime.",
    ),
    Case(
        area="Engines",
        kind="8 bits without training maps",
        make=_run,
        typed="generate run data --out made --engine onnxruntime --precision int8 --calibrate-on no --device cpu",
        words="no/train_label",
    ),
    Case(
        area="Engines",
        kind="A precision that no graph has",
        make=_run,
        typed="export onnx run --out graph.onnx --precision amp-fp16",
        words="--precision: expected fp32 | fp16 | bf16 | int8",
    ),
    Case(
        area="Engines",
        kind="8 bits of nothing to calibrate on",
        make=_run,
        typed="export onnx run --out graph.onnx --precision int8",
        words="--calibrate-on: expected a data set",
    ),
    Case(
        area="Engines",
        kind="8 bits of a model with features, without clusters",
        make=_run_of_features_without_clusters,
        typed="export onnx feat --out graph.onnx --precision int8 --calibrate-on data",
        words="feat/clusters.npz",
    ),
    Case(
        area="Engines",
        kind="A checkpoint that is none",
        make=lambda: text("run.pt", b"not a checkpoint"),
        typed="export onnx run.pt --out graph.onnx",
        words="run.pt: expected a p2phd-eval checkpoint",
    ),
    Case(
        area="Engines",
        kind="A folder where the graph is to be written",
        make=lambda: (_run(), Path("graph.onnx").mkdir()),
        typed="export onnx run --out graph.onnx",
        words="graph.onnx: expected a file to write",
    ),
    Case(
        area="Engines",
        kind="A graph that was edited",
        make=_edited_graph,
        typed="generate run data --out samples --engine onnxruntime --graph graph.onnx --device cpu",
        words="graph.onnx: expected the graph as it was exported, found one that was changed since",
    ),
    Case(
        area="Engines",
        kind="A graph that is none",
        make=lambda: (_run(), text("graph.onnx", b"no graph")),
        typed="generate run data --out samples --engine onnxruntime --graph graph.onnx --device cpu",
        words="graph.onnx: expected an ONNX file",
    ),
    Case(
        area="Engines",
        kind="Images of another engine in the folder",
        make=lambda: _run(("train", "test")),
        typed="generate run data --out samples --engine onnxruntime --device cpu",
        words="images with another",
    ),
    Case(
        area="Distances and feature spaces",
        kind="CLIP without weights",
        make=lambda: (photos("real"), photos("fake")),
        typed="metrics real fake --feature-network clip --device cpu --no-cache",
        words="--feature-network clip: expected --feature-weights FOLDER, found none",
    ),
    Case(
        area="Distances and feature spaces",
        kind="Another network for CLIP",
        make=lambda: (photos("real"), photos("fake"), _siglip()),
        typed="metrics real fake --feature-network clip --feature-weights siglip --device cpu --no-cache",
        words="siglip: expected a folder of CLIP in Hugging Face's layout",
    ),
    Case(
        area="Distances and feature spaces",
        kind="CMMD of other features than CLIP's",
        make=lambda: (photos("real"), photos("fp32"), photos("amp")),
        typed="compare real fp32 amp --judge cmmd",
        words="--judge cmmd: expected features of CLIP",
    ),
    Case(
        area="Distances and feature spaces",
        kind="A distance that there is not",
        make=lambda: (photos("fp32"), photos("int8"), photos("again")),
        typed="floor fp32 int8 --benign again --distance-weights vif=vif.pth",
        words="--distance-weights: expected dists=PATH",
    ),
    Case(
        area="Distances and feature spaces",
        kind="Weights of something else",
        make=lambda: (photos("fp32"), photos("int8"), photos("again"), text("vgg16.pth", b"no weights")),
        typed="floor fp32 int8 --benign again --distance-weights dists=vgg16.pth --device cpu",
        words="vgg16.pth: expected a state dict of VGG16",
    ),
    Case(
        area="Distances and feature spaces",
        kind="DreamSim's ensemble",
        make=lambda: (
            photos("fp32"),
            photos("int8"),
            photos("again"),
            text("dreamsim/ensemble_lora/adapter_config.json"),
        ),
        typed="floor fp32 int8 --benign again --distance-weights dreamsim=dreamsim --device cpu",
        words="found ensemble_lora, whose model takes code from the network",
    ),
)
