from __future__ import annotations

import json
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.image_folder import MANIFEST, require_image_folder


@pytest.mark.parametrize(
    ("files", "advice"),
    [
        ({"0.png": ""}, "FOREIGN"),
        ({"0.png": "", MANIFEST: json.dumps({"name": "a web application"})}, "FOREIGN"),
        ({"0.png": "", MANIFEST: "{"}, "FOREIGN"),
        ({"0.png": "", MANIFEST: json.dumps({"seed": 1})}, "OURS"),
        ({"0.png": "", MANIFEST: json.dumps({"seed": 0})}, None),
        ({}, None),
    ],
)
def test_only_of_a_folder_with_a_manifest_of_its_own_it_may_say_delete(
    tmp_path: Path, files: dict[str, str], advice: str | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    def check() -> None:
        require_image_folder(tmp_path, {"seed": 0}, identity=("seed",), fix="OURS", foreign="FOREIGN")

    if advice is None:
        check()
        return
    with pytest.raises(InputError, match=f"\n{advice}$"):
        check()
