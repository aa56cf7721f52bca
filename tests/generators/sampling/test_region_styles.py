from __future__ import annotations

import json
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.generators.sampling.region_styles import (
    ClusterStyle,
    DataStyles,
    DrawnStyle,
    FileStyle,
    ImageStyles,
    PhotoStyle,
    read_styles,
    styles_path,
    write_styles,
)

ALL = DataStyles(
    features="instance",
    images={
        "b": ImageStyles(
            drawn_as="a",
            regions={
                26001: ClusterStyle(label=26, k=3),
                -7: DrawnStyle(image="a", region=26002, label=26),
                26000: PhotoStyle(image="c", region=26001),
                4: PhotoStyle(image="c", region=26001, phase="train"),
                5: FileStyle(file="../sky.jpg", sha256="0" * 64, box=(0, 1, 2, 3)),
                6: FileStyle(file="sky.jpg", sha256="f" * 64),
            },
        ),
        "a": ImageStyles(),
    },
)


def test_what_is_written_is_read_and_the_order_does_not_matter(tmp_path: Path) -> None:
    write_styles(tmp_path, "test", ALL)
    assert read_styles(tmp_path, "test") == ALL
    assert read_styles(tmp_path, "train") is None
    before = styles_path(tmp_path, "test").read_bytes()
    turned = {
        key: ImageStyles(drawn_as=each.drawn_as, regions=dict(reversed(each.regions.items())))
        for key, each in reversed(ALL.images.items())
    }
    write_styles(tmp_path, "test", DataStyles(features="instance", images=turned))
    assert styles_path(tmp_path, "test").read_bytes() == before
    assert {key: each.sha256 for key, each in turned.items()} == {key: each.sha256 for key, each in ALL.images.items()}
    assert len({each.sha256 for each in ALL.images.values()}) == 2


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"region": {}}, r"images\[\.\.\.\]: expected no key 'region'"),
        ({"regions": {"x": {}}}, "expected int"),
        ({"regions": {"1": {"kind": "cubist"}}}, "expected one of the values that there are"),
        ({"regions": {"1": {"kind": "cluster", "label": 1}}}, "expected the key 'k', found none"),
        ({"regions": {"1": {"kind": "cluster", "label": 1, "k": -1}}}, "expected int >= 0"),
        ({"regions": {"1": {"kind": "file", "file": "a", "sha256": "0"}}}, r"expected str matching regex"),
        ({"regions": {"1": {"kind": "photo", "image": "a", "region": 1, "boxes": 1}}}, "expected no key 'boxes'"),
    ],
)
def test_files_that_are_no_styles(tmp_path: Path, image: dict[str, object], message: str) -> None:
    path = styles_path(tmp_path, "test")
    path.write_text(json.dumps({"features": "instance", "images": {"a": image}}))
    with pytest.raises(InputError, match=message) as caught:
        read_styles(tmp_path, "test")
    assert caught.value.where.startswith(str(path))
    assert caught.value.fix == "Mend it, or move test_styles.json away to generate without styles that are set."
