"""What is brought along goes through the doors that all images go through."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.editor.uploads import MOST_BYTES, keep_upload, require_upload
from p2phd_eval.errors import InputError


def png(
    mode: str = "RGBA", size: tuple[int, int] = (5, 4), colour: object = (9, 8, 7, 255), **options: object
) -> bytes:
    content = io.BytesIO()
    Image.new(mode, size, colour).save(content, format="PNG", **options)  # type: ignore[arg-type]
    return content.getvalue()


def test_it_is_kept_once_under_its_hash(tmp_path: Path) -> None:
    kept = keep_upload(tmp_path, png(), "mask")
    assert keep_upload(tmp_path, png(), "mask") == kept
    assert (kept.width, kept.height) == (5, 4)
    assert [path.name for path in (tmp_path / "files").iterdir()] == [Path(kept.file).name]
    assert (tmp_path / kept.file).read_bytes() == png()
    require_upload(tmp_path, kept.file)


@pytest.mark.parametrize(
    ("content", "kind", "found"),
    [
        (b"", "photo", "empty"),
        (b"<svg/>", "photo", ""),
        (png()[:45], "mask", ""),
        (png("RGB", colour=(1, 2, 3)), "mask", "without transparency"),
        (png(colour=(1, 2, 3, 0)), "mask", "a transparent image"),
        (b"\0" * (MOST_BYTES + 1), "photo", "bytes"),
    ],
    ids=["empty", "no image", "cut off", "opaque", "transparent", "large"],
)
def test_what_is_none_is_refused_and_leaves_nothing(tmp_path: Path, content: bytes, kind: str, found: str) -> None:
    with pytest.raises(InputError, match=f"^{kind}: expected") as caught:
        keep_upload(tmp_path, content, kind)  # type: ignore[arg-type]
    assert found in caught.value.found
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "files",
        "files/",
        "files/.",
        "files/..",
        "files/../edits.json",
        "edits.json",
        "/etc/passwd",
        "files/other.png",
    ],
)
def test_a_page_names_no_other_file(tmp_path: Path, name: str) -> None:
    keep_upload(tmp_path, png(), "mask")
    (tmp_path / "edits.json").write_text("{}")
    with pytest.raises(InputError, match="uploaded"):
        require_upload(tmp_path, name)


def test_a_mask_is_what_is_opaque(tmp_path: Path) -> None:
    rgba = np.zeros((4, 5, 4), np.uint8)
    rgba[1, 2, 3] = 255
    content = io.BytesIO()
    Image.fromarray(rgba).save(content, format="PNG")
    assert keep_upload(tmp_path, content.getvalue(), "mask").file.endswith(".png")
