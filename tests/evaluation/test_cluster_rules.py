from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation import cluster_rules
from p2phd_eval.evaluation.cluster_rules import cluster_labels, parse_rule
from p2phd_eval.images.names import list_images
from p2phd_eval.images.png import write_png

# Names as cityscapesScripts writes them: <city>_<sequence>_<frame>_<type>.
FILES = (
    "frankfurt_000000_000294_gtFine_labelIds.png",
    "frankfurt_000000_000576_gtFine_labelIds.png",
    "frankfurt_000001_000019_gtFine_labelIds.png",
    "lindau_000000_000019_gtFine_labelIds.png",
)
IDS = tuple(name.removesuffix("_gtFine_labelIds.png") for name in FILES)
CITIES = ("frankfurt", "frankfurt", "frankfurt", "lindau")
SEQUENCES = ("frankfurt_000000", "frankfurt_000000", "frankfurt_000001", "lindau_000000")


def table(folder: Path, text: str, encoding: str = "utf-8") -> str:
    path = folder / "clusters.csv"
    path.write_bytes(text.encode(encoding))
    return str(path)


@pytest.mark.parametrize(("preset", "expected"), [("cityscapes-city", CITIES), ("cityscapes-sequence", SEQUENCES)])
def test_a_rule_is_one_of_the_condition_whatever_the_seed(
    tmp_path: Path, preset: str, expected: tuple[str, ...]
) -> None:
    samples = [f"{image}@{seed}" for image in IDS for seed in (0, 11)]
    twice = tuple(city for city in expected for _ in range(2))
    assert parse_rule(preset).labels(samples) == twice
    rows = "".join(f"{image},{cluster}\n" for image, cluster in zip(IDS, expected, strict=True))
    assert parse_rule(table(tmp_path, f"id,cluster\n{rows}")).labels(samples) == twice
    rows = "".join(f"{image}.png,{cluster}\n" for image, cluster in zip(samples, twice, strict=True))
    assert parse_rule(table(tmp_path, f"id,cluster\n{rows}")).labels(IDS) == expected
    assert cluster_labels(samples, parse_rule(preset)) == twice
    assert cluster_labels(samples, None) == tuple(image for image in IDS for _ in range(2))
    assert cluster_labels(IDS, None) is None


def test_the_samples_of_a_condition_are_in_one_cluster(tmp_path: Path) -> None:
    path = table(tmp_path, "id,cluster\na@0,x\na@1,y\n")
    with pytest.raises(InputError, match="line 3: expected one cluster for the image 'a', found 'y' after 'x'"):
        parse_rule(path)


@pytest.mark.parametrize(("preset", "expected"), [("cityscapes-city", CITIES), ("cityscapes-sequence", SEQUENCES)])
def test_presets_on_the_ids_of_a_cityscapes_folder(tmp_path: Path, preset: str, expected: tuple[str, ...]) -> None:
    for name in FILES:
        write_png(tmp_path / name.split("_")[0] / name, np.zeros((2, 2), dtype=np.uint8))
    rule = parse_rule(preset)
    assert rule.labels(list_images(tmp_path).ids) == expected
    # Ids that were given to arrays may keep a folder, and results of another tool another ending.
    assert rule.labels([f"val/x_1_2/{image}_foggy" for image in IDS]) == expected


def test_a_regular_expression_gives_its_first_group_or_its_match() -> None:
    assert parse_rule("^([a-z]+)_([0-9]+)").labels(IDS) == CITIES
    assert parse_rule("^[a-z]+_[0-9]+").labels(IDS) == SEQUENCES
    assert parse_rule("^(.*)/").labels(["day/a", "night/a"]) == ("day", "night")


def test_order_and_repeats_do_not_matter() -> None:
    rule = parse_rule("cityscapes-sequence")
    label_of = dict(zip(IDS, rule.labels(IDS), strict=True))
    shuffled = [IDS[i] for i in np.random.default_rng(0).integers(0, len(IDS), 20)]
    assert rule.labels(shuffled) == tuple(label_of[image] for image in shuffled)


def test_the_example_of_the_docstring() -> None:
    assert doctest.testmod(cluster_rules).attempted == 1
    assert doctest.testmod(cluster_rules).failed == 0


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("id,cluster\n{0},c1\n{1},c1\n{2},c2\n{3},c2\n", "utf-8"),
        # From a spreadsheet: byte order mark, CRLF, quotes, more columns, a repeated line, images that are elsewhere.
        ('cluster,"note",stem\r\nc2,"a,b",{3}\r\nc1,,{0}\r\nc1,,{0}\r\nc1,,{1}\r\nc2,,{2}\r\nc9,,x\r\n', "utf-8-sig"),
        # File names instead of ids.
        ("id, cluster\nval/{0}_leftImg8bit.png, c1\n{1}_gtFine_color.png, c1\n{2}.jpg, c2\n{3}, c2\n\n", "utf-8"),
    ],
)
def test_a_table_names_each_image(tmp_path: Path, text: str, encoding: str) -> None:
    rule = parse_rule(table(tmp_path, text.format(*IDS), encoding))
    assert rule.labels(IDS) == ("c1", "c1", "c2", "c2")


def test_folders_in_a_table_tell_images_of_one_name_apart(tmp_path: Path) -> None:
    rule = parse_rule(table(tmp_path, "id,cluster\nday/0.png,sun\nnight/0.png,moon\nnight/1.png,moon\n", "utf-8"))
    assert rule.labels(["day/0", "night/0", "night/1", "1"]) == ("sun", "moon", "moon", "moon")
    with pytest.raises(InputError, match="1 of them without one: '0'"):
        rule.labels(["0", "1"])


def test_a_rule_that_covers_no_image() -> None:
    # A preset's name with a slip in it is a regular expression that matches nothing.
    with pytest.raises(InputError) as caught:
        parse_rule("cityscapes-town").labels(IDS)
    message = str(caught.value)
    assert "--cluster-by cityscapes-town: expected a cluster for each of 4 images, found none: " in message
    assert f"'{IDS[0]}'" in message
    assert "cityscapes-city" in message


@pytest.mark.parametrize("rule", ["^(frankfurt)_", "^(frankfurt)|lindau", "^(frankfurt|)"])
def test_a_rule_that_covers_some_images(rule: str) -> None:
    with pytest.raises(InputError, match="found 1 of them without one: 'lindau_000000_000019'"):
        parse_rule(rule).labels(IDS)


def test_a_table_that_covers_some_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found 3 of them without one"):
        parse_rule(table(tmp_path, f"id,cluster\n{IDS[0]},c\n")).labels(IDS)


def test_an_invalid_regular_expression() -> None:
    with pytest.raises(InputError, match=r"invalid regular expression: .*position 1"):
        parse_rule("^(")
    with pytest.raises(InputError, match="invalid regular expression"):
        parse_rule("a{99999999999999999999}")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "an empty file"),
        ("id;cluster\na;b\n", "'id;cluster'"),
        ("id,group\na,b\n", "'group'"),
        ("id,stem,cluster\na,a,b\n", "'stem'"),
        ("id,cluster\na,b\nc\n", "line 3"),
        ("id,cluster\na,b\nc,\n", "line 3"),
        ('id,cluster\n"a"b,c\n', "no table"),
        ("id,cluster\na,x\nb,y\na.png,z\n", "'z' after 'x'"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(InputError, match=r"clusters\.csv") as caught:
        parse_rule(table(tmp_path, text))
    assert found in caught.value.found or found in caught.value.where


def test_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing there"):
        parse_rule(str(tmp_path / "none.csv"))
    with pytest.raises(InputError, match="no UTF-8"):
        parse_rule(table(tmp_path, "id,cluster\na,b\n", "utf-16"))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="found a folder"):
        parse_rule(str(tmp_path / "folder.csv"))
