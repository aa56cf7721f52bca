from __future__ import annotations

import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.images.sources.open import open_source
from p2phd_eval.stores import object_file
from p2phd_eval.stores.object_cache import BLOCK
from p2phd_eval.stores.store_path import StorePath
from tests.stores.servers import web_server


def test_it_reads_as_a_file_in_memory_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_file, "BLOCK", 7)
    rng = np.random.default_rng(0)
    with web_server() as web:
        for size in (0, 1, 7, 500):
            web.files[f"/{size}"] = rng.bytes(size)
            web.asked.clear()
            memory = io.BytesIO(web.files[f"/{size}"])
            with StorePath(f"{web.address}/{size}").open() as stream:
                for _ in range(60):
                    if rng.random() < 0.5:
                        offset, whence = int(rng.integers(-size - 2, size + 9)), int(rng.integers(3))
                        try:
                            place = memory.seek(offset, whence)
                        except ValueError:
                            continue
                        if place < 0 or whence != io.SEEK_SET:  # BytesIO stops at the beginning, files refuse
                            place = memory.seek(max(0, place))
                            assert stream.seek(place) == place
                        else:
                            assert stream.seek(offset, whence) == place
                    count = int(rng.integers(-1, 40))
                    assert stream.read(count) == memory.read(count)
                    assert stream.tell() == memory.tell()
            parts = web.asked[1:]  # the first asks what is there
            assert len(parts) == len(set(parts))  # each is fetched once


def test_what_lies_between_the_images_of_an_archive_is_not_fetched() -> None:
    picture = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), dtype=np.uint8)).save(picture, "png")
    members = {"a.png": picture.getvalue(), "film.bin": bytes(12 * BLOCK), "b.png": picture.getvalue()}
    packed, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive, tarfile.open(fileobj=tarred, mode="w") as tar:
        for name, content in members.items():
            archive.writestr(name, content)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    with web_server() as web:
        for name, file in {"/a.zip": packed, "/a.tar": tarred}.items():
            web.files[name] = file.getvalue()
            web.asked.clear()
            source = open_source(f"{web.address}{name}")
            assert source.names == ("a.png", "b.png")
            assert source.load(1).pixels.shape == (4, 4, 3)
            assert 0 < len(web.asked) < 6  # of 13 parts


def test_an_empty_archive_is_as_one_on_a_disk() -> None:
    with web_server() as web:
        web.files["/a.zip"] = b""
        with StorePath(f"{web.address}/a.zip").open() as stream:
            with pytest.raises(OSError, match="Invalid argument"):
                stream.seek(-22, io.SEEK_END)
            with pytest.raises(zipfile.BadZipFile, match="File is not a zip file"):
                zipfile.ZipFile(stream)
