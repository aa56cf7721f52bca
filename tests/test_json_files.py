from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.json_files import decode_json, decode_json_as, read_json, read_json_lines

VALUE = {"a": [1, -2.5, True, None, 2**63], "é": {"b": "\N{GRINNING FACE}"}}


@dataclasses.dataclass
class Line:
    step: int
    losses: dict[str, float | None]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_is_read_as_json_reads_it(encoding: str) -> None:
    """In the encodings that editors and shells write."""
    for ascii_only in (True, False):
        text = json.dumps(VALUE, ensure_ascii=ascii_only)
        assert decode_json(text.encode(encoding), "f", expected="x") == VALUE
    assert decode_json("\ufeff[1]", "f", expected="x") == [1]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": NaN}', "NaN, which is not a number of JSON"),
        (b"[-Infinity]", "-Infinity, which"),
        (b"[1e999]", "1e999, which is too large"),
        (b"[" + b"9" * 400 + b"]", "a whole number of 400 digits"),
        (b"[-" + b"9" * 100000 + b"]", "a whole number of 100000 digits"),
        (b"[18446744073709551616]", "a whole number of 20 digits"),
        (b'{"a": 1, "a": 2}', "the key 'a' twice"),
        (b"[" * 101 + b"]" * 101, "more than 100 deep"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "more than 100 deep"),
        (b'{"a": "\xff"}', "utf-8"),
        (b'["\xed\xa0\x80"]', "utf-8"),
    ],
)
def test_what_is_not_json_is_refused(content: bytes, found: str) -> None:
    with pytest.raises(InputError, match=f"^f: expected x, found .*{found}"):
        decode_json(content, "f", expected="x")


def test_deep_enough_for_what_is_real() -> None:
    assert decode_json(b"[" * 100 + b"]" * 100, "f", expected="x")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"step": 1}', r"^f: expected the key 'losses', found none"),
        ('{"step": "1", "losses": {}}', r"f, \$.step: expected int, found '1'"),
        ('{"step": 1.5, "losses": {}}', r"f, \$.step: expected int, found 1.5"),
        ('{"step": 1, "losses": {"a b": "x"}}', r"f, \$.losses\[...\]: expected (float|null)"),
        ('{"\\ud800": 1}', "^f: expected keys that UTF-8 can hold"),
        ("[]", r"^f: expected object, found \[\]"),
    ],
)
def test_what_does_not_fit_a_type_is_named(text: str, place: str) -> None:
    with pytest.raises(InputError, match=place):
        decode_json_as(Line, text, "f", expected="x")


def test_files(tmp_path: Path) -> None:
    for path, found in ((tmp_path / "gone", "nothing there"), (tmp_path, "a folder"), (Path("\0"), "cannot be read")):
        with pytest.raises(InputError, match=f"expected x, found .*{found}"):
            read_json(path, expected="x")
    path = tmp_path / "log"
    path.write_text('{"step": 1, "losses": {"G": null}}\n{"step": 2}\n')
    with pytest.raises(InputError, match=r"log, line 2: expected the key 'losses'"):
        read_json_lines(Line, path, expected="x")
    path.write_text('{"step": 1, "losses": {"G": null}}\n')
    assert read_json_lines(Line, path, expected="x") == [Line(1, {"G": None})]
    with path.open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    with pytest.raises(InputError, match="more than 64 MiB"):
        read_json(path, expected="x")
