"""Bad input: images."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import numpy as np

from p2phd_eval.images.png import write_png
from tests.bad_input.case import Case, data_set, photos, text


def _manifest_of_samples(more: str) -> None:
    photos("photos")
    photos("samples")
    text("samples/manifest.jsonl", f'{{"image": "0.png", "condition": "cat", "seed": 0}}\n{more}')


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


IMAGES = (
    Case(area="Images", kind="Nothing there", make=lambda: photos("photos"), typed="fid photos sampels", words="Check"),
    Case(
        area="Images",
        kind="An address of no store that is known",
        make=lambda: photos("photos"),
        typed="fid photos ftp://host/photos",
        words="found ftp://",
    ),
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
)
