from __future__ import annotations

import io
import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.errors import InputError
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.inputs import open_input
from p2phd_eval.features.statistics import load_statistics, save_statistics
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.stats.distances.moments import Moments
from p2phd_eval.stores.object_cache import LIMIT_VARIABLE
from p2phd_eval.stores.object_store import redacted, without_users
from p2phd_eval.stores.store_path import StorePath, as_path, pinned
from tests.features import tiny_network
from tests.stores.servers import BUCKET, web_server


def photos(root: Path, n: int) -> list[Path]:
    """Photos in a folder and one below it, with what folders have beside them."""
    rng = np.random.default_rng(0)
    paths = [root / ("day" if number % 7 else "night") / f"{number:03}.png" for number in range(n)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 8, 3), dtype=np.uint8)).save(path)
    (root / ".hidden.png").write_bytes(b"x")
    (root / "notes.txt").write_text("x")
    (root / "other.gif").write_bytes(b"GIF89a")
    return paths


def every_form(root: Path) -> list[str]:
    """Make the same photos in every form in which they come; return what is given for each."""
    paths = photos(root / "folder", 40)
    with tarfile.open(root / "all.tar", "w") as tar, tarfile.open(root / "all.tgz", "w:gz") as packed:
        for archive in (tar, packed):
            archive.add(root / "folder", "folder")
    with zipfile.ZipFile(root / "all.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for path in paths:
            file.write(path, path.relative_to(root))
    for shard in range(3):
        (root / "shards").mkdir(exist_ok=True)
        with tarfile.open(root / f"shards/train-{shard:02}.tar", "w") as tar:
            for path in paths[shard::3]:
                tar.add(path, f"{path.stem}.photo.png")
                tar.add(path, f"{path.stem}.label.png")
    (root / "list.txt").write_text("".join(f"{path.relative_to(root)}\n" for path in paths))
    lines = [{"image": f"{path.relative_to(root)}", "condition": path.stem, "seed": 1} for path in paths]
    (root / "samples.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return [
        *("folder", "all.tar", "all.tgz", "all.zip", "list.txt", "samples.jsonl"),
        *("shards::photo.png", "shards/train-{00..02}.tar::label.png"),
    ]


def test_images_of_a_store_are_those_of_a_disk(s3: Any, tmp_path: Path) -> None:
    root = tmp_path / "data"
    forms = every_form(root)
    for path in root.rglob("*"):
        if path.is_file():
            s3.upload_file(str(path), BUCKET, f"data/{path.relative_to(root)}")
    for form in forms:
        here, there = open_source(root / form), open_source(f"s3://{BUCKET}/data/{form}")
        assert (there.names, there.ids) == (here.names, here.ids), form
        assert there.name == f"s3://{BUCKET}/data/{form}".removesuffix("::photo.png").removesuffix("::label.png")
        indices = range(len(here))
        assert [there.content_sha256(i) for i in indices] == [here.content_sha256(i) for i in indices]
        assert [text.replace(f"s3://{BUCKET}/data", str(root)) for text in there.warnings] == list(here.warnings)
        assert there.describe(1).replace(f"s3://{BUCKET}/data", str(root)) == here.describe(1)
        assert there.changed() is None
    source = open_source(Path(f"s3://{BUCKET}/data/folder"))  # which lost a slash
    s3.put_object(Bucket=BUCKET, Key="data/folder/day/new.png", Body=b"new")
    s3.put_object(Bucket=BUCKET, Key="data/folder/day/001.png", Body=b"other")
    assert source.changed() == "1 file (day/new.png) added, 1 file (day/001.png) rewritten"


def test_a_folder_is_read_in_few_waits_or_one_by_one_where_nothing_is_kept(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(64):
        s3.put_object(Bucket=BUCKET, Key=f"set/{number:02}.png", Body=bytes([number]))
    source = open_source(f"s3://{BUCKET}/set")
    root = as_path(f"s3://{BUCKET}/set")
    assert isinstance(root, StorePath)
    assert [source.read(i) for i in range(3)] == [b"\0", b"\1", b"\2"]  # type: ignore[attr-defined]
    for number in range(64):
        s3.put_object(Bucket=BUCKET, Key=f"set/{number:02}.png", Body=b"other")
    assert source.read(31) == bytes([31])  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="another version"):
        source.read(32)  # type: ignore[attr-defined]
    monkeypatch.setenv(LIMIT_VARIABLE, "0")
    source = open_source(f"s3://{BUCKET}/set")
    assert source.read(5) == b"other"  # type: ignore[attr-defined]


def test_lists_mix_places_and_signatures_stay_out_of_names(tmp_path: Path) -> None:
    photos(tmp_path / "here", 1)
    content = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), dtype=np.uint8)).save(content, "png")
    with web_server() as web:
        web.files["/a.png?signed=secret"] = content.getvalue()
        (tmp_path / "list.txt").write_text(f"here/night/000.png\n{web.address}/a.png?signed=secret\n")
        source = open_source(tmp_path / "list.txt")
        assert source.ids == ("000", "a")
        assert source.names == ("here/night/000.png", f"{web.address}/a.png")
        assert source.load(1).pixels.shape == (4, 4, 3)
        assert source.changed() is None


def test_statistics_are_written_to_a_store_and_read_from_it(s3: Any) -> None:
    place = f"s3://{BUCKET}/statistics.npz"
    moments = Moments(n=10, mean=np.arange(3.0), covariance=np.eye(3))
    save_statistics(place, moments, None)
    found = load_statistics(place)
    assert str(found.path) == place
    np.testing.assert_array_equal(found.moments.covariance, np.eye(3))
    with pytest.raises(InputError, match="no such file"):
        load_statistics(f"s3://{BUCKET}/other.npz")


def test_features_of_a_store_are_those_of_a_disk_bit_for_bit(s3: Any, tmp_path: Path) -> None:
    paths = photos(tmp_path / "here", 20)
    for path in paths:
        s3.upload_file(str(path), BUCKET, f"there/{path.relative_to(tmp_path / 'here')}")
    settings = FeatureSettings(network=tiny_network.SPEC, device="cpu", workers=2)
    here, there, again = (
        FeatureExtractor(each)(open_source(place))
        for each, place in (
            (replace(settings, cache=False), tmp_path / "here"),
            (replace(settings, cache=False), f"s3://{BUCKET}/there"),
            (settings, f"s3://{BUCKET}/there"),
        )
    )
    np.testing.assert_array_equal(there.values, here.values)
    np.testing.assert_array_equal(again.values, here.values)
    assert replace(there.stamp, source="") == replace(here.stamp, source="")
    assert there.stamp.source == f"s3://{BUCKET}/there"
    there.save(f"s3://{BUCKET}/features.npz")
    assert replace(open_input(f"s3://{BUCKET}/features.npz"), values=0 * here.values).stamp == there.stamp


def test_addresses_and_paths() -> None:
    assert as_path("folder/a.png") == Path("folder/a.png")
    assert as_path(Path("s3://bucket/a/b.tar")) == StorePath("s3://bucket/a/b.tar")
    assert as_path("S3://bucket/a/") == StorePath("s3://bucket/a")
    path = as_path("s3://bucket/a/b.tar")
    assert (path.name, path.suffix, str(path.parent), str(path / "c")) == (
        *("b.tar", ".tar", "s3://bucket/a"),
        "s3://bucket/a/b.tar/c",
    )
    assert path.parts == ("s3://", "bucket", "a", "b.tar")
    with pytest.raises(InputError, match="found ftp://"):
        as_path("ftp://host/a")


def test_an_empty_object_of_a_folders_name_is_its_mark(s3: Any) -> None:
    for key, content in {
        "photos": b"",
        "photos/": b"",
        "photos/0.png": b"x",
        "alone": b"",
        "full": b"x",
        "full/a": b"",
    }.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    assert pinned(StorePath(f"s3://{BUCKET}/photos")).is_dir()
    assert [path.name for path in pinned(as_path(f"s3://{BUCKET}/photos/")).iterdir()] == ["0.png"]
    for name in ("alone", "full"):
        assert pinned(StorePath(f"s3://{BUCKET}/{name}")).is_file()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://me:word@host/a?signed", "https://***@host/a?..."),
        ("HTTPS://me:word@host/a?signed", "HTTPS://***@host/a?..."),
        ("https://me:wo@rd@host/a", "https://***@host/a"),
        ("https://me:wo/rd@host/a", "https://***@host/a"),
        ("https://me:wo#rd@host/a", "https://***@host/a"),
        ("https:/me:word@host/a", "https:/***@host/a"),  # as a Path
        ("s3://AKIA:wo/rd@bucket/a", "s3://***@bucket/a"),
        ("https://me:a@b/c@d/wo@rd@host/a", "https://***@host/a"),
        ("https://me:a?b@c/d@host/a?signed", "https://***@..."),
        ("https://me:80/rd@host/a", "https://***@host/a"),
        ("dists=https://me:a@b/c@host/a", "dists=https://***@host/a"),
        ("https://host.org:8080/a@2x.png", "https://host.org:8080/a@2x.png"),
        ("http://[::1]:8080/a@2x.png", "http://[::1]:8080/a@2x.png"),
        ("s3://bucket/a@2x.png?#", "s3://bucket/a@2x.png?#"),
    ],
)
def test_what_a_message_shows_of_an_address(given: str, shown: str) -> None:
    assert redacted(given) == shown
    if "?" not in given:
        assert without_users(f"{given}: expected x, found {given}.") == f"{shown}: expected x, found {shown}."


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("https://me:a@b/wo@rd@host/a", r"https://\*\*\*@host/a: expected an @ before the host alone"),
        ("https://me:wo rd@host/a", r"https://\*\*\*@host/a: expected an @ before the host alone"),
        ("hf://me:wo/rd@datasets/a", r"hf://\*\*\*@datasets/a: expected an address without user and password"),
        ("s3://me:a@b/c@bucket/a", r"s3://\*\*\*@bucket/a: expected an address without user and password"),
    ],
)
def test_a_password_whose_end_nobody_knows_goes_nowhere(given: str, message: str) -> None:
    """A part of it would be taken for a host, or stand in what a library says."""
    with pytest.raises(InputError, match=message) as refusal:
        as_path(given)
    assert not any(part in str(refusal.value) for part in ("a@b", "wo@rd", "wo rd", "wo/rd", "b/"))
