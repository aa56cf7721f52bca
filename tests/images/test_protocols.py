"""Protocols by name: the list of images that each one fixes."""

import dataclasses

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.protocols import PROTOCOLS, Protocol, find_protocol, ids_sha256

ADE20K = [f"ADE_val_{number:08}" for number in range(1, 2001)]
#: Of NVIDIA/pix2pixHD's data set, its test images.
CITYSCAPES = [
    *("frankfurt_000000_000576", "frankfurt_000000_001236", "frankfurt_000000_003357", "frankfurt_000000_011810"),
    *("frankfurt_000000_012868", "frankfurt_000001_013710", "frankfurt_000001_015328", "frankfurt_000001_023769"),
]


def error_of(protocol: Protocol, ids: list[str]) -> str:
    with pytest.raises(InputError) as error:
        protocol.require_ids("real", ids)
    return str(error.value)


def test_the_list_of_ade20k_is_known_by_its_hash() -> None:
    protocol = PROTOCOLS["spade-ade20k"]
    protocol.require_ids("real", ADE20K)
    protocol.require_ids("real", ADE20K[::-1])
    message = error_of(protocol, [*ADE20K[:-1], "ADE_val_00002001"])
    assert "the 2000 images of spade-ade20k, by the hash of their names, found 2000 of other names" in message
    assert "found ADE_train_00000001" in error_of(protocol, [*ADE20K[:-1], "ADE_train_00000001"])
    assert "found 2000 with 1999 names" in error_of(protocol, [*ADE20K[:-1], ADE20K[0]])


def test_the_list_of_cityscapes() -> None:
    protocol = PROTOCOLS["spade-cityscapes"]
    assert "the 500 images of spade-cityscapes, found 8 images" in error_of(protocol, CITYSCAPES)
    cities = [("frankfurt", 267), ("lindau", 59), ("munster", 174)]
    numbered = [f"{city}_{k:06}_000019" for city, count in cities for k in range(count)]
    assert "found 500 of other names" in error_of(protocol, numbered)
    others = [image.replace("lindau", "aachen") for image in numbered]
    message = error_of(protocol, others)
    assert "267 of frankfurt, 59 of lindau, 174 of munster, found 59 of aachen, 267 of frankfurt" in message
    files = [f"{image}_leftImg8bit_fake" for image in numbered]
    assert "found frankfurt_000000_000019_leftImg8bit_fake" in error_of(protocol, files)


def test_a_list_of_which_no_copy_is_known() -> None:
    protocol = PROTOCOLS["spade-coco"]
    protocol.require_ids("real", [f"{number:012}" for number in range(5000)])
    assert "found COCO_val2014_0" in error_of(protocol, ["COCO_val2014_0", *(f"{k:012}" for k in range(4999))])


def test_a_protocol_of_ones_own() -> None:
    own = Protocol(name="ours", images="our photos", n=2, id_form="[ab]", size=(64, 32), ids_sha256=ids_sha256("ab"))
    own.require_ids("real", ["b", "a"])
    assert find_protocol(own) is own
    assert dataclasses.replace(own, n=3) != own
    with pytest.raises(InputError, match=r"spade-cityscapes \| .* found 'spade'"):
        find_protocol("spade")


def test_all_protocols_of_one_data_set_have_one_list() -> None:
    lists = {name: each.ids_sha256 for name, each in PROTOCOLS.items() if "cityscapes" in name}
    assert len(lists) == 3
    assert len(set(lists.values())) == 1
