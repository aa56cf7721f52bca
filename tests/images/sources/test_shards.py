from __future__ import annotations

from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.images.sources.shards import expand_shards
from tests.images.sources.pack import encoded, write_tar

Files = list[tuple[str, bytes]]


def _shards(root: Path, samples: list[Files], per_shard: int = 2) -> Path:
    root.mkdir(exist_ok=True)
    for number in range(0, len(samples), per_shard):
        files = [file for sample in samples[number : number + per_shard] for file in sample]
        write_tar(root / f"train-{number // per_shard:06}.tar", files)
    return root


def _photos(count: int) -> list[Files]:
    return [[(f"{k:04}.jpg", encoded(k, "jpg")), (f"{k:04}.json", b"{}"), (f"{k:04}.cls", b"1")] for k in range(count)]


def _pairs(count: int) -> list[Files]:
    return [[(f"{k:04}.photo.PNG", encoded(k)), (f"{k:04}.label.png", encoded(100 + k))] for k in range(count)]


def test_a_folder_and_a_pattern_give_all_shards_in_order(tmp_path: Path) -> None:
    root = _shards(tmp_path / "x", _photos(6))
    (root / "train-000000_stats.json").touch()
    folder, pattern = open_source(root), open_source(root / "train-{000000..000002}.tar")
    expected = tuple(f"train-{k // 2:06}.tar/{k:04}.jpg" for k in range(6))
    for source in (folder, pattern):
        assert source.names == expected
        assert source.ids == tuple(f"{k:04}" for k in range(6))
        assert [source.load(k).format for k in range(6)] == ["JPEG"] * 6
        for k in range(6):
            assert source.content_sha256(k) == folder.content_sha256(k)
            assert source.describe(k).endswith(f"/train-{k // 2:06}.tar:{k:04}.jpg")
    assert pattern.name == str(root / "train-{000000..000002}.tar")


def test_how_samples_are_split_into_shards_changes_no_image(tmp_path: Path) -> None:
    hashes = []
    for per_shard in (1, 2, 5):
        source = open_source(_shards(tmp_path / str(per_shard), _photos(5), per_shard))
        hashes.append([(source.ids[k], source.load(k).sha256) for k in range(5)])
    assert hashes[0] == hashes[1] == hashes[2]


def test_a_key_may_come_again_in_another_shard(tmp_path: Path) -> None:
    root = _shards(tmp_path / "x", [_photos(1)[0], _photos(1)[0]], per_shard=1)
    assert open_source(root).names == ("train-000000.tar/0000.jpg", "train-000001.tar/0000.jpg")


def test_a_field_is_chosen_and_samples_pair_by_their_key(tmp_path: Path) -> None:
    root = _shards(tmp_path / "x", _pairs(4))
    photos, labels = open_source(root, field="photo.png"), open_source(root, field="label.png")
    assert photos.ids == labels.ids == tuple(f"{k:04}" for k in range(4))
    assert photos.names[3] == "train-000001.tar/0003.photo.PNG"
    assert photos.content_sha256(0) != labels.content_sha256(0)
    with pytest.raises(
        InputError, match=r"2 samples \(0000, 0001\) with the images label\.png \(2\), photo\.png \(2\)"
    ) as error:
        open_source(root)
    assert "such as ...::label.png" in error.value.fix
    with pytest.raises(InputError, match=r"an image 'depth\.png' in each sample"):
        open_source(root, field="depth.png")


def test_a_sample_without_the_field_is_named(tmp_path: Path) -> None:
    samples = _pairs(2)
    del samples[1][0]
    with pytest.raises(InputError, match=r"1 sample \(0001\) with the images label\.png \(1\)"):
        open_source(_shards(tmp_path / "x", samples), field="photo.png")


def test_folders_in_a_shard_are_part_of_the_key(tmp_path: Path) -> None:
    files = [("a.b/0.jpg", encoded(0, "jpg")), ("c/0.jpg", encoded(1, "jpg"))]
    assert open_source(_shards(tmp_path / "x", [files])).names == (
        "train-000000.tar/a.b/0.jpg",
        "train-000000.tar/c/0.jpg",
    )


def test_a_single_archive_is_a_shard_only_where_a_field_is_chosen(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "one.tar", _pairs(1)[0])
    assert open_source(path).names == ("0000.label.png", "0000.photo.PNG")
    assert open_source(path, field="photo.png").names == ("one.tar/0000.photo.PNG",)


def test_a_field_may_follow_the_path(tmp_path: Path) -> None:
    root = _shards(tmp_path / "x", _pairs(4))
    expected = open_source(root, field="photo.png")
    for place in (root, root / "train-{000000..000001}.tar"):
        source = open_source(f"{place}::photo.png")
        assert source.ids == expected.ids
        assert source.content_sha256(3) == expected.content_sha256(3)
    # A file may be called so.
    odd = write_tar(tmp_path / "odd::photo.tar", _pairs(1)[0])
    assert len(open_source(odd)) == 2


def test_a_shard_that_changes_is_named(tmp_path: Path) -> None:
    root = _shards(tmp_path / "x", _photos(4))
    source = open_source(root)
    assert source.changed() is None
    (root / "train-000001.tar").unlink()
    found = source.changed()
    assert found is not None
    assert "train-000001.tar) removed" in found
    with pytest.raises(InputError, match=r"train-000001\.tar"):
        source.load(2)


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    root = _shards(tmp_path / "x", _photos(4))
    (root / "train-000001.tar").write_bytes((root / "train-000001.tar").read_bytes()[:700])
    with pytest.raises(InputError, match=r"train-000001\.tar: expected a whole tar"):
        open_source(root)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("x-{8..11}.tar", ["x-8.tar", "x-9.tar", "x-10.tar", "x-11.tar"]),
        ("x-{008..011}.tar", ["x-008.tar", "x-009.tar", "x-010.tar", "x-011.tar"]),
        ("{1..2}-{0..1}.tar", ["1-0.tar", "1-1.tar", "2-0.tar", "2-1.tar"]),
        ("x-{07..07}.tar", ["x-07.tar"]),
        ("x-{99..101}.tar", ["x-99.tar", "x-100.tar", "x-101.tar"]),
        ("x-{099..101}.tar", ["x-099.tar", "x-100.tar", "x-101.tar"]),
        ("x-{09..101..46}.tar", ["x-009.tar", "x-055.tar", "x-101.tar"]),
        ("{train,val}-{0..1}.tar", ["train-0.tar", "train-1.tar", "val-0.tar", "val-1.tar"]),
        ("{x}-{0..1}.tar", ["{x}-0.tar", "{x}-1.tar"]),
    ],
)
def test_patterns_stand_for_what_a_shell_makes_of_them(tmp_path: Path, pattern: str, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in expand_shards(str(tmp_path / pattern))] == names


def test_ranges_of_folders_keep_their_shards_apart(tmp_path: Path) -> None:
    for k in range(2):
        _shards(tmp_path / f"part{k}", _photos(1))
    source = open_source(tmp_path / "part{0..1}" / "train-{000000..000000}.tar")
    assert source.names == ("part0/train-000000.tar/0000.jpg", "part1/train-000000.tar/0000.jpg")


def test_gaps_and_nothing_and_wrong_ranges_are_told(tmp_path: Path) -> None:
    root = _shards(tmp_path / "x", _photos(6))
    (root / "train-000001.tar").unlink()
    with pytest.raises(InputError, match=r"expected 3 shards, found 1 file \(.*train-000001\.tar\) missing"):
        open_source(root / "train-{000000..000002}.tar")
    with pytest.raises(InputError, match="expected 2 shards, found none of them"):
        open_source(root / "test-{000000..000001}.tar")
    with pytest.raises(InputError, match=r"found \{9\.\.0\}"):
        open_source(root / "train-{9..0}.tar")
    for many in ("{0..99999999}", "{0..9999999999..10}", "{-5..99999}{0..1}", "{0..999}{a..z}{a..z}"):
        with pytest.raises(InputError, match="at most 100,000 files"):
            open_source(root / f"train-{many}.tar")
    with pytest.raises(InputError, match="found Unbalanced braces"):
        open_source(root / "{train-{0..2}.tar")
