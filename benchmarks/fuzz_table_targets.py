"""Tables and other files that people write, or that come with data sets."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path

import numpy as np
from fuzz_image_targets import pixels
from fuzz_target import Case, Target
from PIL import Image

_N = 12  # images that tables and rules are asked about


def _table_seeds(work: Path) -> list[Case]:
    lines = [f"i{k:02},{'ab'[k % 2]}" for k in range(_N)]
    return [
        {"clusters.csv": ("id,cluster\n" + "\n".join(lines)).encode()},
        {"clusters.csv": ("﻿cluster,other,stem\r\n" + "\r\n".join(f'"a, b",,i{k:02}.png' for k in range(_N))).encode()},
    ]


def _read_table(folder: Path) -> None:
    from p2phd_eval.evaluation.cluster_rules import parse_rule

    parse_rule(str(folder / "clusters.csv")).labels([f"i{k:02}" for k in range(_N)])


def _landmark_seeds(work: Path) -> list[Case]:
    points = np.random.default_rng(0).uniform(0, 512, (68, 2))
    lines = [f"{x!r},{y!r}" for x, y in points.tolist()]
    stream = io.BytesIO()
    np.save(stream, points)
    body = "\n".join(line.replace(",", " ") for line in lines)
    return [
        {"face.txt": "\n".join(lines).encode()},
        {"face.csv": "\n".join(["x,y", *lines]).encode()},
        {"face.pts": f"version: 1\nn_points: 68\n{{\n{body}\n}}\n".encode()},
        {"face.json": json.dumps({"points": points.tolist()}).encode()},
        {"face.npy": stream.getvalue()},
    ]


def _read_face(folder: Path) -> None:
    from p2phd_eval.editing.faces.landmark_files import list_landmarks, read_landmarks

    for path in list_landmarks(folder).values():
        read_landmarks(path)


def _celebamask_seeds(work: Path) -> list[Case]:
    rows = "idx orig_idx orig_file\n       0       119613    119613.jpg\n       1       182700    182700.jpg\n"
    mask, photo = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(mask, "PNG")
    Image.fromarray(pixels(0, (8, 8, 3))).save(photo, "JPEG")
    faces = {f"CelebA-HQ-img/{k}.jpg": photo.getvalue() for k in range(2)}
    masks = {f"CelebAMask-HQ-mask-anno/0/0000{k}_skin.png": mask.getvalue() for k in range(2)}
    return [{"CelebA-HQ-to-CelebA-mapping.txt": rows.encode(), **faces, **masks}]


def _convert_celebamask(folder: Path) -> None:
    from p2phd_eval.editing.faces.celebamask import convert_celebamask

    with tempfile.TemporaryDirectory() as out:
        convert_celebamask(folder, Path(out) / "data")


def _rule_seeds(work: Path) -> list[Case]:
    rules = ("cityscapes-city", "cityscapes-sequence", "^([^_]+)_", r"(?P<a>i)(\d+)", "i0|i1", "(?:^|/)([^/_]+)_\\d+")
    return [{"rule.txt": rule.encode()} for rule in rules]


def _read_rule(folder: Path) -> None:
    from p2phd_eval.evaluation.cluster_rules import parse_rule

    parse_rule((folder / "rule.txt").read_bytes().decode("utf-8", "surrogateescape")).labels(
        [f"i{k:02}" for k in range(_N)]
    )


def _classes_seeds(work: Path) -> list[Case]:
    from p2phd_eval.scenes.data_set import write_dataset

    write_dataset(work / "data", n_train=1, n_test=1, width=64, height=32, seed=0)
    return [{"classes.json": (work / "data" / "classes.json").read_bytes()}]


def _read_classes(folder: Path) -> None:
    from p2phd_eval.evaluation.class_shares import stored_class_names
    from p2phd_eval.generators.data.triplets import stored_label_nc

    stored_label_nc(folder)
    stored_class_names(folder / "test_label")


TABLE_TARGETS = (
    Target(name="classes", seeds=_classes_seeds, read=_read_classes),
    Target(name="cluster-table", seeds=_table_seeds, read=_read_table),
    Target(name="landmarks", seeds=_landmark_seeds, read=_read_face),
    Target(name="celebamask", seeds=_celebamask_seeds, read=_convert_celebamask),
    Target(name="cluster-rule", seeds=_rule_seeds, read=_read_rule),
)
