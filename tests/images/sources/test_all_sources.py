"""What holds of every source: the same images come out, whichever way they are kept."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import pickle
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.images.sources.folder import FolderSource
from p2phd_eval.images.sources.generated import GeneratedSource
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.images.sources.source import ImageSource
from tests.images.sources.pack import contents, encoded, write_folder, write_tar, write_zip

OTHERS = [
    ("notes.txt", b"no image"),
    ("__MACOSX/._z.png", b"resource fork"),
    (".hidden/x.png", b""),
    ("b/._1.png", b""),
    ("Thumbs.db", b""),
    ("@eaDir/z.png/SYNOPHOTO_THUMB_XL.jpg", b""),
    ("$RECYCLE.BIN/old.png", b""),
    ("c/lost+found/x.png", b""),
    (".ipynb_checkpoints/z-checkpoint.png", b""),
]


def _shuffled(more: dict[str, bytes]) -> list[tuple[str, bytes]]:
    files = [*contents().items(), *OTHERS, *more.items()]
    random.Random(0).shuffle(files)
    return files


def _list(folder: Path) -> Path:
    write_folder(folder, contents())
    lines = ["# photos", "", *(f"./{name}" for name, _ in _shuffled({}) if name in contents())]
    (folder / "list.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    return folder / "list.txt"


MAKERS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "folder": lambda root, more: write_folder(root / "copy", dict(_shuffled(more))),
    "zip": lambda root, more: write_zip(root / "x.zip", _shuffled(more)),
    "stored zip": lambda root, more: write_zip(root / "x.ZIP", _shuffled(more), zipfile.ZIP_STORED),
    "tar": lambda root, more: write_tar(root / "x.tar", _shuffled(more)),
    "tar with dots": lambda root, more: write_tar(
        root / "x.tar", [(f"./{name}", data) for name, data in _shuffled(more)]
    ),
    "tar.gz": lambda root, more: write_tar(root / "x.tar.gz", _shuffled(more), "w:gz"),
    "tgz": lambda root, more: write_tar(root / "x.TGZ", _shuffled(more), "w:gz"),
    "tar.bz2": lambda root, more: write_tar(root / "x.tar.bz2", _shuffled(more), "w:bz2"),
    "tar.xz": lambda root, more: write_tar(root / "x.tar.xz", _shuffled(more), "w:xz"),
    "list": lambda root, more: _list(root / "listed"),
}


@pytest.fixture
def folder(tmp_path: Path) -> FolderSource:
    return FolderSource(write_folder(tmp_path / "images", contents()))


@pytest.fixture(params=MAKERS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> ImageSource:
    """The same images kept in some way."""
    return open_source(MAKERS[request.param](tmp_path, {}))


def _hash_and_sum(source: ImageSource, index: int) -> tuple[str, str, str, int]:
    image = source.load(index)
    return source.names[index], image.sha256, image.format, int(image.pixels.sum())


def _all(source: ImageSource) -> list[tuple[str, str, str, int]]:
    return [_hash_and_sum(source, index) for index in range(len(source))]


@pytest.mark.parametrize("kind", [kind for kind in MAKERS if kind != "list"])
def test_images_of_other_formats_are_left_out_with_a_warning(tmp_path: Path, kind: str) -> None:
    others = {"a.HEIC": b"", "b/c.exr": b"", "d": encoded(0), "e": b"text", "f.html": b"", "@eaDir/g.gif": b""}
    source = open_source(MAKERS[kind](tmp_path, others))
    assert source.names == tuple(sorted(contents()))
    (warning,) = source.warnings
    assert f"{source.name}: 3 images of formats that are not read are left out (a.HEIC, b/c.exr, d)" in warning


def test_names_and_pixels_are_those_of_the_folder(folder: FolderSource, kept: ImageSource) -> None:
    assert kept.names == folder.names == tuple(sorted(contents()))
    assert kept.ids == folder.ids == ("a", "0", "1", "ü", "m", "z")
    assert len(kept) == len(contents())
    for index, name in enumerate(kept.names):
        image = kept.load(index)
        with Image.open(io.BytesIO(contents()[name])) as opened:
            np.testing.assert_array_equal(image.pixels, np.asarray(opened.convert("RGB")))
            assert image.format == opened.format
        assert image.pixels.dtype == np.uint8
        assert image.pixels.flags.writeable
        assert image.sha256 == kept.content_sha256(index) == hashlib.sha256(contents()[name]).hexdigest()
        assert name in kept.describe(index)
        np.testing.assert_array_equal(kept.load_stored(index), folder.load_stored(index))
    assert kept.changed() is None


def test_any_order_of_reading_gives_the_same(kept: ImageSource) -> None:
    expected = _all(kept)
    backwards = [_hash_and_sum(kept, index) for index in reversed(range(len(kept)))]
    assert backwards[::-1] == expected
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda index: _hash_and_sum(kept, index), [*range(len(kept))] * 5)) == expected * 5


def test_a_pickled_source_reads_the_same(kept: ImageSource) -> None:
    copy = pickle.loads(pickle.dumps(kept))
    assert _all(copy) == _all(kept)
    assert copy.changed() is None
    del copy
    assert _all(kept)  # what the copy leaves does not go with it


# From Python 3.12 on, where a library of an earlier test has left threads behind.
@pytest.mark.filterwarnings("ignore:.*is multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="processes cannot be forked here")
def test_forked_processes_read_at_once(kept: ImageSource) -> None:
    expected = _all(kept)
    tasks = [(kept, index) for index in [*range(len(kept))] * 4]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.starmap(_hash_and_sum, tasks, chunksize=1) == expected * 4
        pool.close()
        pool.join()
    assert _all(kept) == expected


def test_another_program_reads_pickled_sources(tmp_path: Path) -> None:
    sources = []
    for number, make in enumerate(MAKERS.values()):
        (tmp_path / str(number)).mkdir()
        sources.append(open_source(make(tmp_path / str(number), {})))
    sources.append(ArraySource([source.load(0).pixels for source in sources]))
    code = (
        "import pickle, sys\n"
        "for source in pickle.load(sys.stdin.buffer):\n"
        "    print(*(source.load(index).sha256 for index in range(len(source))))\n"
    )
    process = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(sources), capture_output=True, check=True)
    lines = process.stdout.decode().splitlines()
    assert [line.split() for line in lines] == [[row[1] for row in _all(source)] for source in sources]


def test_importing_all_sources_leaves_torch_alone() -> None:
    code = "import sys\nfrom p2phd_eval.images.sources import arrays, generated, open\nprint('torch' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "False"


def test_only_generators_stay_in_their_process(folder: FolderSource, kept: ImageSource) -> None:
    assert not kept.in_process
    assert not ArraySource(np.zeros((1, 2, 2, 3), dtype=np.uint8)).in_process
    assert GeneratedSource(folder, lambda label: label).in_process


def test_a_rewritten_file_is_noticed(tmp_path: Path, kept: ImageSource) -> None:
    path = Path(kept.name)
    changed = path / "z.png" if path.is_dir() else path
    changed.write_bytes(changed.read_bytes() + b"\n")
    found = kept.changed()
    assert found is not None
    assert changed.name in found
    assert "1 file " in found
    assert found.endswith("rewritten")
