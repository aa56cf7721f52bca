"""The readers of the package, each with files that the package wrote and a call that reads them."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import json
import lzma
import random
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import typer
from fuzz_sample_targets import SAMPLE_TARGETS
from fuzz_target import Case, Target, files_of
from msgspec import inspect as types
from PIL import Image

from p2phd_eval.features.feature_set import FeatureSet, FeatureStamp
from p2phd_eval.files import json_text
from p2phd_eval.report.documents.document import Document, read_document

# --- Images and the forms in which sets of them come


def _pixels(n: int = 0, shape: tuple[int, ...] = (6, 8, 3)) -> Any:
    return np.random.default_rng(n).integers(0, 256, shape, dtype=np.uint8)


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _png(n: int = 0) -> bytes:
    return _encoded(Image.fromarray(_pixels(n)), "PNG")


def _image_seeds(work: Path) -> list[Case]:
    rgb = Image.fromarray(_pixels())
    grey = rgb.convert("L")
    wide = Image.fromarray(_pixels(shape=(6, 8)).astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[274] = 6
    made = {
        "a.png": _encoded(rgb, "PNG"),
        "b.png": _encoded(rgb.convert("P"), "PNG", transparency=0),
        "c.png": _encoded(wide, "PNG"),
        "d.png": _encoded(rgb.convert("RGBA"), "PNG", exif=exif),
        "e.png": _encoded(grey.convert("1"), "PNG"),
        "f.jpg": _encoded(rgb, "JPEG", exif=exif),
        "g.jpg": _encoded(rgb.convert("CMYK"), "JPEG", progressive=True),
        "h.bmp": _encoded(rgb, "BMP"),
        "i.tif": _encoded(rgb, "TIFF", compression="tiff_lzw"),
        "j.tiff": _encoded(wide, "TIFF"),
        "k.webp": _encoded(rgb, "WEBP", lossless=True),
        "l.gif": _encoded(rgb.convert("P"), "GIF", save_all=True, append_images=[grey.convert("P")]),
        "m.ppm": _encoded(rgb, "PPM"),
        "n.pgm": _encoded(wide, "PPM"),
        "o.jp2": _encoded(rgb, "JPEG2000"),
        "p.png": _encoded(rgb, "PNG", save_all=True, append_images=[grey.convert("RGB")]),
    }
    return [{f"set/{name}": content} for name, content in made.items()]


def _read_images(given: Path | str) -> None:
    from p2phd_eval.images.sources.open import open_source

    source = open_source(given)
    for index in range(min(len(source), 4)):
        source.content_sha256(index)
        source.load(index)
        source.load_stored(index)


def _zip_seeds(work: Path) -> list[Case]:
    cases = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            for n in range(3):
                archive.writestr(f"photos/i{n}.png", _png(n))
            archive.writestr("notes.txt", "text")
        cases.append({"set.zip": stream.getvalue()})
    return cases


def _tar(kind: int = tarfile.PAX_FORMAT, *names: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        for n, name in enumerate(names or ("a/i0.png", "a/i1.png", f"a/{'long' * 40}é.png", "notes.txt")):
            content = _png(n)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _tar_seeds(work: Path) -> list[Case]:
    plain = [_tar(kind) for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
    packed = {"gz": gzip.compress(plain[0]), "bz2": bz2.compress(plain[0]), "xz": lzma.compress(plain[0])}
    return [{"set.tar": each} for each in plain] + [{f"set.tar.{how}": content} for how, content in packed.items()]


def _read_tar(folder: Path) -> None:
    _read_images(next(iter(sorted(folder.glob("set.tar*"))), folder / "set.tar"))


def _shard_seeds(work: Path) -> list[Case]:
    shards = [_tar(tarfile.USTAR_FORMAT, f"{n}0.png", f"{n}0.json", f"{n}1.png", f"{n}1.json") for n in range(2)]
    return [{"s-00.tar": shards[0], "s-01.tar": shards[1]}]


def _list_seeds(work: Path) -> list[Case]:
    return [{"list.txt": b"set/a.png\nset/b.png\n# a comment\n\n", "set/a.png": _png(0), "set/b.png": _png(1)}]


# --- Features and statistics


_N, _D = 12, 4
_STAMP = FeatureStamp(
    weights="w",
    weights_sha256="0" * 64,
    resize="legacy-pytorch",
    dims=_D,
    dtype="float32",
    device="cpu",
    source="photos",
    images_sha256="1" * 64,
    n=_N,
    formats={"PNG": _N},
    duplicates=0,
    tool="0",
    torch="0",
    pillow="0",
)


def _features(seed: int) -> FeatureSet:
    return FeatureSet(
        values=np.abs(np.random.default_rng(seed).normal(size=(_N, _D))).astype(np.float32),
        ids=tuple(f"i{k:02}" for k in range(_N)),
        sizes=np.full((_N, 2), 8, np.int32),
        stamp=_STAMP,
    )


def _feature_seeds(work: Path) -> list[Case]:
    cases = []
    for compressed in (False, True):
        for seed in range(2):
            _features(seed).save(work / "features.npz")
            if compressed:
                with np.load(work / "features.npz") as arrays:
                    np.savez_compressed(work / "packed.npz", **arrays)
                (work / "packed.npz").replace(work / "features.npz")
            cases.append({"features.npz": (work / "features.npz").read_bytes(), "good.npz": _good(work)})
    return cases


def _good(work: Path) -> bytes:
    _features(7).save(work / "good.npz")
    return (work / "good.npz").read_bytes()


def _settings() -> dict[str, Any]:
    """The options of the feature network, as a command line without any gives them."""
    from p2phd_eval.features.feature_settings import FeatureSettings

    return {each.name: each.default for each in fields(FeatureSettings)}


def _read_features(folder: Path) -> None:
    from p2phd_eval.commands.fid import fid
    from p2phd_eval.commands.metrics import metrics

    good, given, written = folder / "good.npz", folder / "features.npz", folder / "out.json"
    fid(real=good, fake=given, replicates=2, json_target=str(written), **_settings())
    metrics(real=given, fake=good, json_target=str(written), **_settings())


def _statistics_seeds(work: Path) -> list[Case]:
    from p2phd_eval.features.statistics import save_statistics
    from p2phd_eval.stats.distances.moments import moments

    cases = []
    for stamp in (_STAMP, None):
        save_statistics(work / "s.npz", moments(_features(1).values), stamp)
        cases.append({"statistics.npz": (work / "s.npz").read_bytes(), "good.npz": _good(work)})
    return cases


def _torch_statistics_seeds(work: Path) -> list[Case]:
    import torch

    cases = []
    for as_tensors in (False, True):
        values = _features(1).values.astype(np.float64)
        found: dict[str, Any] = {"mu": values.mean(0), "sigma": np.cov(values, rowvar=False)}
        if as_tensors:
            found = {name: torch.from_numpy(value) for name, value in found.items()}
        torch.save(found, work / "s.pt")
        cases.append({"statistics.pt": (work / "s.pt").read_bytes(), "good.npz": _good(work)})
    return cases


def _read_statistics(folder: Path) -> None:
    from p2phd_eval.commands.fid import fid

    given = next(iter(sorted(folder.glob("statistics.*"))), folder / "statistics.npz")
    fid(real=folder / "good.npz", fake=given, json_target=str(folder / "out.json"), **_settings())


# --- JSON documents


@functools.cache
def document_kinds() -> dict[str, type[Document]]:
    """All kinds of documents, by their names."""
    import importlib
    import pkgutil

    from p2phd_eval.report import documents
    from p2phd_eval.report.documents.document import kind_of

    for module in pkgutil.iter_modules(documents.__path__):
        importlib.import_module(f"{documents.__name__}.{module.name}")

    def below(kind: type[Document]) -> list[type[Document]]:
        return [each for sub in kind.__subclasses__() for each in (sub, *below(sub))]

    return {kind_of(kind): kind for kind in below(Document) if kind.__struct_config__.tag}


def example(kind: types.Type, rng: random.Random) -> Any:
    """Make JSON values of a type, by chance."""
    if isinstance(kind, types.Metadata):
        return example(kind.type, rng)
    if isinstance(kind, types.UnionType):
        return example(rng.choice(kind.types), rng)
    if isinstance(kind, types.StructType | types.DataclassType | types.TypedDictType):
        made = {
            each.encode_name: example(each.type, rng) for each in kind.fields if each.required or rng.random() < 0.8
        }
        if isinstance(kind, types.StructType) and kind.tag_field is not None:
            made[kind.tag_field] = kind.tag
        return made
    if isinstance(kind, types.CollectionType | types.VarTupleType):
        return [example(kind.item_type, rng) for _ in range(rng.choice((1, 1, 2, 3)))]
    if isinstance(kind, types.TupleType):
        return [example(each, rng) for each in kind.item_types]
    if isinstance(kind, types.DictType):
        keys = ("0", "19") if isinstance(kind.key_type, types.IntType) else ("a", "b", "fp32")
        return {rng.choice(keys): example(kind.value_type, rng) for _ in range(rng.choice((1, 2)))}
    if isinstance(kind, types.EnumType):
        return rng.choice([each.value for each in kind.cls])
    if isinstance(kind, types.LiteralType):
        return rng.choice(list(kind.values))
    plain: dict[type, Any] = {
        types.IntType: rng.choice((2, 3, 8, 60)),
        types.FloatType: rng.choice((0.5, 2.0, -1.25, 0.0)),
        types.BoolType: rng.random() < 0.5,
        types.StrType: rng.choice(("fp32", "amp-bf16", "text", "0" * 64)),
        types.NoneType: None,
    }
    return plain.get(type(kind), {})


def _document_seeds(kind: str) -> Callable[[Path], list[Case]]:
    def seeds(work: Path) -> list[Case]:
        cls = document_kinds()[kind]
        described = types.type_info(cls)
        cases = []
        for n in range(12):
            made = example(described, random.Random(n))
            made["schema_version"] = msgspec.structs.fields(cls)[0].default
            cases.append({"document.json": json.dumps(made, indent=2).encode()})
        return cases

    return seeds


def _read_one_document(kind: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        document = read_document(folder / "document.json", document_kinds()[kind])
        json_text(document.to_builtins())

    return read


def _comparison_seeds(work: Path) -> list[Case]:
    from p2phd_eval.evaluation.comparison import FeatureArm, compare_feature_sets
    from p2phd_eval.report.documents.comparison_documents import comparison_document
    from p2phd_eval.stats.verdicts.margins import parse_margin

    cases = []
    for runs, judge, margin in (
        (1, "fid-at-n", "2"),
        (2, "fid-at-n", None),
        (1, "kid", "10%"),
        (2, "fid-at-n", "seeds"),
    ):
        arms = [
            FeatureArm(name=name, runs=tuple(_features(seed + k) for k in range(runs)))
            for name, seed in (("fp32", 20), ("amp", 30))
        ]
        rule = None if margin is None else parse_margin(margin)
        result = compare_feature_sets(_features(1), arms, margin=rule, judge=judge, replicates=2, seed=0)
        document = comparison_document(result, "real", [[Path("a")] * runs, [Path("b")] * runs])
        cases.append({"document.json": json_text(document.to_builtins()).encode()})
    return cases + _document_seeds("report")(work)


def _read_comparison(folder: Path) -> None:
    from p2phd_eval.commands.gate import RequireOption, gate
    from p2phd_eval.commands.plan import plan
    from p2phd_eval.errors import InputError

    given, written = folder / "document.json", str(folder / "out.json")
    outputs: dict[str, Any] = {"junit": folder / "gate.xml", "summary": folder / "gate.md", "json_target": written}
    refused: list[InputError] = []
    try:
        gate(report=given, require=RequireOption.WITHIN, max_dfid=1.0, max_dkid=0.1, **outputs)
    except typer.Exit:
        pass  # a rule is broken
    except InputError as error:
        refused.append(error)
    plan(pilot=given, margin="10%", json_target=written)
    if refused:
        raise refused[0]


def _blind_test_seeds(work: Path) -> list[Case]:
    from p2phd_eval.blind_test.make_and_score import make_blind_test
    from p2phd_eval.blind_test.scoring import results_checksum

    for folder in ("a", "b"):
        for n in range(8):
            path = work / folder / f"i{n}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(_png(n + (folder == "b") * 100))
    made = make_blind_test(work / "a", work / "b", work / "page.html", trials=6)
    key = json.loads(made.key.read_bytes())
    cases = []
    for people in (1, 6):
        case = {"page.key.json": made.key.read_bytes()}
        for person in range(people):
            chosen = [("first", "second")[(person + trial) % 2] for trial in range(6)]
            answers = [(trial, each, ("left", "right")[trial % 2], 900) for trial, each in enumerate(chosen)]
            case[f"{person}.json"] = json.dumps(
                {
                    "schema": "p2phd-eval/blind-test-results",
                    "schema_version": _version("blind-test-results"),
                    "page": key["page"],
                    "session": f"{person:02}",
                    "participant": f"Ada {person}",
                    "checksum": results_checksum(key["page"], f"{person:02}", answers),
                    "answers": [
                        dict(zip(("trial", "chosen", "side", "milliseconds"), each, strict=True)) for each in answers
                    ],
                }
            ).encode()
        cases.append(case)
    return cases


def _version(kind: str) -> int:
    return int(msgspec.structs.fields(document_kinds()[kind])[0].default)


def _exposure_seeds(work: Path) -> list[Case]:
    """Of a page under a time limit: one person who passes the checks, and six of whom one does not."""
    from p2phd_eval.blind_test.exposure_scoring import exposed_checksum
    from p2phd_eval.blind_test.key import read_key
    from p2phd_eval.blind_test.make_and_score import make_blind_test
    from p2phd_eval.report.documents.exposure_documents import ExposedAnswer, ExposureResults, Timing

    for folder in ("a", "b"):
        for n in range(8):
            path = work / folder / f"i{n}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(_png(n + (folder == "b") * 100))
    wishes: dict[str, Any] = {"exposure": "100ms..200ms", "trials": 6, "attention_checks": 5}
    made = make_blind_test(work / "a", work / "b", work / "page.html", **wishes)
    key = read_key(Path(str(made.key)))
    assert key.exposure is not None
    intact, cases = [each.intact for each in key.exposure.checks], []
    for people in (1, 6):
        case = {"page.key.json": made.key.read_bytes()}
        for person in range(people):
            answers = []
            for trial in range(11):
                exposure = 1000 if trial >= 6 else 100 * (1 + (trial + person) % 2)
                lasted = 1000 * exposure + (20_000 if trial == 1 else 0)
                timing = Timing(frame=20_000, frames=exposure // 20, shown=9, hidden=9 + lasted, presented=lasted)
                answers.append(
                    ExposedAnswer(
                        trial=trial,
                        exposure=exposure,
                        chosen=intact[trial - 6] if trial >= 6 and person < 5 else "first",
                        side="left",
                        milliseconds=700,
                        timing=timing,
                        dropped=None,
                    )
                )
            saved = ExposureResults(
                page=key.page,
                session=f"{person:02}",
                participant=f"Ada {person}",
                checksum=exposed_checksum(key.page, f"{person:02}", answers),
                answers=tuple(answers),
            )
            case[f"{person}.json"] = msgspec.json.encode(saved)
        cases.append(case)
    return cases


def _read_blind_test(folder: Path) -> None:
    from p2phd_eval.commands.blind_test import blind_test

    answers = sorted(path for path in folder.glob("*.json") if path.name[0].isdigit())
    blind_test(paths=answers, score=folder / "page.key.json", json_target=str(folder / "out.json"))


# --- Tables and other files by hand


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
    Image.fromarray(_pixels(0, (8, 8, 3))).save(photo, "JPEG")
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


# --- Runs, checkpoints and weights


@functools.cache
def _tiny() -> Any:
    from p2phd_eval.config import DataConfig, DiscriminatorConfig, FeatureConfig, GeneratorConfig, TrainConfig
    from p2phd_eval.scenes.data_set import CLASSES

    return TrainConfig(
        data=DataConfig(label_nc=len(CLASSES), load_size=64),
        generator=GeneratorConfig(ngf=2, n_downsample=2, n_blocks=1),
        discriminator=DiscriminatorConfig(ndf=2, n_layers=1, n_scales=1),
        features=FeatureConfig(kind="instance", n_features=2, nef=2, n_downsample=2),
        epochs=1,
        epochs_decay=0,
        batch_size=2,
        log_every=1,
        grid_every=100,
        checkpoint_every=100,
    )


def _run(work: Path) -> tuple[Path, Path]:
    """A data set and a finished training on it."""
    from p2phd_eval.runs.training_run import train
    from p2phd_eval.scenes.data_set import write_dataset

    data, run = work / "data", work / "run"
    if not run.exists():
        write_dataset(data, n_train=4, n_test=1, width=64, height=32, seed=0)
        train(data, run, preset=_tiny(), device="cpu", workers=0, vgg="none")
    return data, run


def _checkpoint_seeds(work: Path) -> list[Case]:
    data, run = _run(work)
    small = {f"data/{name}": content for name, content in files_of(data).items()}
    return [{"latest.pt": (run / "checkpoints" / "latest.pt").read_bytes(), **small}]


def _read_checkpoint(folder: Path) -> None:
    from p2phd_eval.generators.sampling.generation import generate

    generate(folder / "latest.pt", folder / "data", folder / "samples", style="photo", device="cpu")


def _run_seeds(work: Path) -> list[Case]:
    data, run = _run(work)
    small = {f"data/{name}": content for name, content in files_of(data).items()}
    return [{**{f"run/{name}": content for name, content in files_of(run).items()}, **small}]


def _read_run(folder: Path) -> None:
    from p2phd_eval.runs.training_run import train

    train(
        folder / "data",
        folder / "run",
        preset=replace(_tiny(), epochs=2),
        device="cpu",
        resume=True,
        workers=0,
        vgg="none",
    )


def _log_seeds(work: Path) -> list[Case]:
    return [{"log.jsonl": (_run(work)[1] / "log.jsonl").read_bytes()}]


def _read_log(folder: Path) -> None:
    from p2phd_eval.generators.training.run_log import log_line, read_log

    for record in read_log(folder / "log.jsonl"):
        log_line(record)


def _continue_log(folder: Path) -> None:
    from p2phd_eval.generators.training.run_log import RunLog, log_line

    log = RunLog(folder / "log.jsonl", 1)
    if log.last is not None:
        log_line(log.last)


def _validation_seeds(work: Path) -> list[Case]:
    from p2phd_eval.runs.held_out import Validation

    line = Validation(
        epoch=1, step=2, fid=1.5, fid_se=0.1, kid=0.1, kid_se=0.01, n=4, stamp={"real": _STAMP, "fake": _STAMP}
    )
    text = json.dumps(msgspec.to_builtins(line))
    return [{"validation.jsonl": f"{text}\n{text}\n".encode()}]


def _read_validations(folder: Path) -> None:
    from p2phd_eval.runs.held_out import read_validations

    read_validations(folder)


def _original_seeds(work: Path) -> list[Case]:
    from p2phd_eval.generators.original.conversion import convert

    _, run = _run(work)
    if not (work / "original").exists():
        convert(run, work / "original")
    return [files_of(work / "original")]


def _read_original(folder: Path) -> None:
    from p2phd_eval.generators.original.conversion import convert

    convert(folder, folder / "converted")


def _pretrained_seeds(work: Path) -> list[Case]:
    return [{f"before/{name}": content for name, content in case.items()} for case in _original_seeds(work)]


def _read_pretrained(folder: Path) -> None:
    from p2phd_eval.generators.training.pretrained import read_networks

    read_networks(folder / "before")


def _cluster_seeds(work: Path) -> list[Case]:
    from p2phd_eval.generators.sampling.styles import cluster_styles

    data, run = _run(work)
    out, _ = cluster_styles(run, data, n_clusters=2, device="cpu")
    small = {f"data/{name}": content for name, content in files_of(data).items()}
    return [{"run/clusters.npz": out.read_bytes(), **{f"run/{n}": c for n, c in files_of(run).items()}, **small}]


def _read_clusters(folder: Path) -> None:
    from p2phd_eval.generators.sampling.generation import generate

    generate(folder / "run", folder / "data", folder / "samples", style="clusters", device="cpu")


_BESIDE_STYLES = (
    *("run/checkpoints/latest.pt", "run/clusters.npz"),
    *(f"data/test_{kind}/scene_000000.png" for kind in ("label", "inst", "img")),
)


def _styles_seeds(work: Path) -> list[Case]:
    """One of each kind, for the first regions of the only test image."""
    from p2phd_eval.files import file_sha256
    from p2phd_eval.generators.sampling.region_styles import (
        ClusterStyle,
        DataStyles,
        DrawnStyle,
        FileStyle,
        ImageStyles,
        PhotoStyle,
        Style,
        styles_path,
        write_styles,
    )
    from p2phd_eval.images.decoding import open_image

    (case,) = _cluster_seeds(work)
    data = work / "data"
    (label, instance, photo) = (next((data / f"test_{kind}").iterdir()) for kind in ("label", "inst", "img"))
    file, sha256 = photo.relative_to(data).as_posix(), file_sha256(photo)
    regions = np.unique(np.asarray(open_image(instance))).tolist()
    some: list[Style] = [
        ClusterStyle(label=int(np.asarray(open_image(label))[-1, 0]), k=0),
        DrawnStyle(image="another", region=1, label=1),
        PhotoStyle(image=photo.stem, region=regions[0], phase="test"),
        FileStyle(file=file, sha256=sha256, box=(1, 2, 30, 20)),
        FileStyle(file=file, sha256=sha256),
    ]
    styles = dict(zip(regions, some, strict=False))
    write_styles(data, "test", DataStyles(features="instance", images={photo.stem: ImageStyles(regions=styles)}))
    return [{"data/test_styles.json": styles_path(data, "test").read_bytes(), **{n: case[n] for n in _BESIDE_STYLES}}]


def _manifest_seeds(work: Path) -> list[Case]:
    from p2phd_eval.generators.sampling.generation import generate
    from p2phd_eval.images.image_folder import MANIFEST

    data, run = _run(work)
    cases = []
    if not (work / "samples").exists():
        generate(run, data, work / "samples", style="photo", device="cpu")
    manifest = json.loads((work / "samples" / MANIFEST).read_text())
    other = {**manifest, "training_precision": "amp-bf16", "checkpoint_sha256": "1" * 64}
    for first, second in ((manifest, other), (other, manifest)):
        made = zip(("fp32", "amp"), (first, second), strict=True)
        cases.append({f"{name}/{MANIFEST}": json.dumps(each).encode() for name, each in made})
    return cases


def _read_manifests(folder: Path) -> None:
    from p2phd_eval.evaluation.arms import GivenFolders, read_arms
    from p2phd_eval.images.image_folder import read_manifest

    read_manifest(folder / "fp32")
    read_arms((), (), (), [GivenFolders(name=None, folders=(folder / "fp32", folder / "amp"))])


def _plan_seeds(work: Path) -> list[Case]:
    from p2phd_eval.study.plan_study import plan_study
    from p2phd_eval.study.study_plan import PLAN_FILE, save_plan

    data, _ = _run(work)
    save_plan(work / "study", plan_study(data, work / "study", preset=_tiny(), vgg="none"))
    return [{PLAN_FILE: (work / "study" / PLAN_FILE).read_bytes()}]


def _read_plan(folder: Path) -> None:
    from p2phd_eval.study.study_plan import load_plan

    plan = load_plan(folder)
    for run in plan.runs:
        plan.config(run)


def _record_seeds(work: Path) -> list[Case]:
    from p2phd_eval.study.artefacts import record
    from p2phd_eval.study.outcome import Outcome, save_outcome

    (work / "content").write_text("text")
    record(work, "train", {"data": "0" * 64}, work / "content", 1.5)
    save_outcome(work, Outcome(status="diverged", why="text"))
    return [{name: content for name, content in files_of(work).items() if name.endswith(".json")}]


def _read_records(folder: Path) -> None:
    from p2phd_eval.study.artefacts import finished, read_record
    from p2phd_eval.study.outcome import load_outcome

    (folder / "content").write_text("text")
    read_record(folder, "train")
    finished(folder, "train", {"data": "0" * 64}, folder / "content")
    outcome = load_outcome(folder)
    if outcome is not None:
        str(outcome.failed)


def _entry_seeds(work: Path) -> list[Case]:
    from p2phd_eval.features.cache.store import FeatureCache

    FeatureCache(work / "cache").put(_key(), _features(1))
    return [files_of(work / "cache")]


def _key() -> Any:
    from p2phd_eval.features.cache.entry import FeatureKey
    from p2phd_eval.features.identity import NetworkIdentity

    named = {name: getattr(_STAMP, name) for name in ("weights", "weights_sha256", "resize", "dims", "dtype")}
    return FeatureKey(identity=NetworkIdentity(**named), images_sha256="1" * 64)


def _read_entry(folder: Path) -> None:
    from p2phd_eval.features.cache.store import FeatureCache

    cache = FeatureCache(folder)
    cache.entries()
    cache.get(_key())


def _state_seeds(names: Mapping[str, tuple[int, ...]], file: str) -> Callable[[Path], list[Case]]:
    """The first tensors of a network: with all of them a file is too large to be damaged ten thousand times."""

    def seeds(work: Path) -> list[Case]:
        import torch

        state = {name: torch.zeros(shape) for name, shape in list(names.items())[:6] if np.prod(shape) < 50_000}
        cases = []
        for zipped in (True, False):
            torch.save(state, work / file, _use_new_zipfile_serialization=zipped)
            cases.append({file: (work / file).read_bytes()})
        return cases

    return seeds


def _inception_seeds(work: Path) -> list[Case]:
    from p2phd_eval.features.inception_network import tensor_shapes

    return _state_seeds(tensor_shapes(), "weights.pth")(work)


def _read_inception(folder: Path) -> None:
    from p2phd_eval.features.weights.file import read_inception

    read_inception(folder / "weights.pth")


def _lpips_seeds(work: Path) -> list[Case]:
    from p2phd_eval.quality.lpips_weights import TENSOR_SHAPES

    return _state_seeds(TENSOR_SHAPES, "weights.pth")(work)


def _read_lpips(folder: Path) -> None:
    from p2phd_eval.quality.lpips_weights import LpipsWeights, load_lpips_state

    load_lpips_state(LpipsWeights(path=folder / "weights.pth", sha256="0" * 64))


def _vgg_seeds(work: Path) -> list[Case]:
    from p2phd_eval.generators.networks.vgg import untrained_vgg19_features

    shapes = {f"features.{name}": tuple(each.shape) for name, each in untrained_vgg19_features().state_dict().items()}
    return _state_seeds(shapes, "weights.pth")(work)


def _read_vgg(folder: Path) -> None:
    from p2phd_eval.generators.networks.vgg import VGGLoss

    VGGLoss(str(folder / "weights.pth"))


_TARGETS = (
    Target(name="images", seeds=_image_seeds, read=lambda folder: _read_images(folder / "set")),
    Target(name="zip", seeds=_zip_seeds, read=lambda folder: _read_images(folder / "set.zip")),
    Target(name="tar", seeds=_tar_seeds, read=_read_tar),
    Target(name="shards", seeds=_shard_seeds, read=lambda folder: _read_images(f"{folder}/s-{{00..01}}.tar")),
    Target(name="list", seeds=_list_seeds, read=lambda folder: _read_images(folder / "list.txt"), kept=("set/a.png",)),
    Target(name="features", seeds=_feature_seeds, read=_read_features, kept=("good.npz",)),
    Target(name="statistics", seeds=_statistics_seeds, read=_read_statistics, kept=("good.npz",)),
    Target(name="statistics-pt", seeds=_torch_statistics_seeds, read=_read_statistics, kept=("good.npz",)),
    Target(name="feature-cache", seeds=_entry_seeds, read=_read_entry),
    Target(name="comparison", seeds=_comparison_seeds, read=_read_comparison),
    Target(name="blind-test", seeds=_blind_test_seeds, read=_read_blind_test),
    Target(name="blind-test-exposure", seeds=_exposure_seeds, read=_read_blind_test),
    Target(name="study-plan", seeds=_plan_seeds, read=_read_plan),
    Target(name="study-records", seeds=_record_seeds, read=_read_records),
    Target(name="manifest", seeds=_manifest_seeds, read=_read_manifests),
    Target(name="classes", seeds=_classes_seeds, read=_read_classes),
    Target(name="cluster-table", seeds=_table_seeds, read=_read_table),
    Target(name="landmarks", seeds=_landmark_seeds, read=_read_face),
    Target(name="celebamask", seeds=_celebamask_seeds, read=_convert_celebamask),
    Target(name="cluster-rule", seeds=_rule_seeds, read=_read_rule),
    Target(name="log", seeds=_log_seeds, read=_read_log),
    Target(name="log-continued", seeds=_log_seeds, read=_continue_log),
    Target(name="validations", seeds=_validation_seeds, read=_read_validations),
    Target(name="checkpoint", seeds=_checkpoint_seeds, read=_read_checkpoint, kept=("data/classes.json",)),
    Target(name="resume", seeds=_run_seeds, read=_read_run),
    Target(name="original", seeds=_original_seeds, read=_read_original),
    Target(name="pretrained", seeds=_pretrained_seeds, read=_read_pretrained),
    Target(name="clusters", seeds=_cluster_seeds, read=_read_clusters),
    Target(name="styles", seeds=_styles_seeds, read=_read_clusters, kept=_BESIDE_STYLES),
    Target(name="inception-weights", seeds=_inception_seeds, read=_read_inception, whole=False),
    Target(name="lpips-weights", seeds=_lpips_seeds, read=_read_lpips, whole=False),
    Target(name="vgg-weights", seeds=_vgg_seeds, read=_read_vgg, whole=False),
)


@functools.cache
def targets() -> dict[str, Target]:
    """All readers by name; each kind of JSON document is one."""
    documents = [
        Target(name=f"document-{kind}", seeds=_document_seeds(kind), read=_read_one_document(kind))
        for kind in document_kinds()
    ]
    return {target.name: target for target in (*_TARGETS, *SAMPLE_TARGETS, *documents)}
