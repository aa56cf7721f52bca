"""Numbers as text: significant digits, signs, one precision for what stands together."""

import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import p2phd_eval
from p2phd_eval.formatting import (
    apart_texts,
    chance_text,
    duration_text,
    error_text,
    estimate_texts,
    fixed_text,
    given_text,
    interval_text,
    number_text,
    one_line,
    printable,
    signed_fixed_text,
    signed_text,
)

PACKAGE = Path(p2phd_eval.__file__).parent


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.03123, "0.0312"),
        (2.5, "2.50"),
        (331.94, "332"),
        (1234.5, "1234"),
        (9.996, "10.0"),
        (0, "0"),
        (1e-9, "1.00e-09"),
    ],
)
def test_three_digits_matter(value: float, text: str) -> None:
    assert number_text(value) == text
    assert signed_text(-value) == (f"-{text}" if value else "0")


@pytest.mark.parametrize(
    ("value", "text"), [(2.0, "2"), (0.125, "0.125"), (12.3456, "12.3456"), (0.030374, "0.030374")]
)
def test_what_was_typed_stays(value: float, text: str) -> None:
    assert given_text(value) == text
    assert given_text(value * (1 + 1e-9)) == number_text(value)


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((-1.899, 1.766), "(-1.90, +1.77)"),
        ((-0.06067, 0.02825), "(-0.0607, +0.0283)"),
        ((108.123, 109.9), "(+108.12, +109.90)"),
        ((-0.0001, 5.0), "(0.00, +5.00)"),
        ((2.0, 2.0), "(+2.00, +2.00)"),
        ((0.0, 0.0), "(0, 0)"),
        ((-math.inf, math.inf), "(-inf, +inf)"),
    ],
)
def test_both_ends_have_one_precision(interval: tuple[float, float], text: str) -> None:
    assert interval_text(interval) == text


def test_an_estimate_has_the_precision_of_its_interval() -> None:
    assert estimate_texts(-0.0669, (-1.899, 1.766)) == ("-0.07", "(-1.90, +1.77)")
    assert estimate_texts(109.0, (108.123, 109.9)) == ("+109.00", "(+108.12, +109.90)")
    assert estimate_texts(1.0, (0.0004, 2.0), (0.0,)) == ("+1.0000", "(+0.0004, +2.0000)")
    assert estimate_texts(0.0, (-8e-16, 8e-16)) == ("0", "(-8.00e-16, +8.00e-16)")
    assert estimate_texts(2e-9, (1e-9, 3e-9)) == ("+2.00e-09", "(+1.00e-09, +3.00e-09)")


def test_an_error_sets_the_precision_of_its_difference() -> None:
    assert error_text(-28.9612, 3.955) == "-29.0 ± 4.0"
    assert error_text(0.00042, 0.00012) == "+0.00042 ± 0.00012"
    assert error_text(0, 0) == "0 ± 0"


@given(st.floats(-1e6, 1e6).filter(lambda value: abs(value) > 1e-12))
def test_a_number_is_read_back_to_three_digits(value: float) -> None:
    assert float(signed_text(value)) == pytest.approx(value, rel=0.005)


@given(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)).map(sorted), st.lists(st.floats(-1e6, 1e6), max_size=2))
def test_rounding_carries_no_end_across_a_mark(ends: list[float], marks: list[float]) -> None:
    ends = [0.0 if abs(end) < 1e-9 else end for end in ends]
    text = interval_text((ends[0], ends[1]), [0.0, *marks])
    for end, shown in zip(ends, map(float, text.strip("()").split(", ")), strict=True):
        assert (end > 0, end < 0) == (shown > 0, shown < 0)
        for mark in marks:
            # Closer than a double shows is on neither side.
            assert abs(end - mark) <= 1e-9 * abs(mark) or (end > mark) == (shown > mark)


def test_an_end_beside_a_mark_has_as_many_decimals_as_tell_them_apart() -> None:
    assert interval_text((-0.0001, 5.0), [0.0]) == "(-0.0001, +5.0000)"
    assert interval_text((-1.0, 1.9999), [-2.0, 2.0]) == "(-1.0000, +1.9999)"
    assert interval_text((0.0, 5.0), [0.0]) == "(0.00, +5.00)"


@given(st.text(st.characters(categories=("Cc", "Cf", "Cs", "L", "Z")) | st.sampled_from(":#[\n\x1b\u202e")))
def test_text_that_is_printed_only_shows(text: str) -> None:
    assert one_line(text).isprintable()
    lines = printable(text).split("\n")
    assert len(lines) == text.count("\n") + 1
    assert all(line.isprintable() and not line.lstrip().startswith("::") and "##[" not in line for line in lines)
    if text.isprintable() and "::" not in text and "##" not in text:
        assert one_line(text) == printable(text) == text


def test_what_does_not_show_is_named() -> None:
    assert one_line("a\x1b]0;t\x07\u202eb\udce9\tc\nd") == r"a\x1b]0;t\x07\u202eb\udce9\tc\nd"
    assert printable("a\r\n  ::error::b\n##[group]c") == "a\\r\n  \\x3a:error::b\n\\x23#[group]c"
    assert one_line("a::b #1 ## c é 名") == "a::b #1 ## c é 名"


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ((23.957, 23.01085758, 23.95007626), ["23.957", "23.011", "23.950"]),
        ((23.95007627, 23.01085758, 23.95007626), ["23.95007627", "23.01085758", "23.95007626"]),
        ((366.46, 380.5, 372.93), ["366.5", "380.5", "372.9"]),
        ((2.0, 2.0), ["2.00", "2.00"]),
        ((0.0, 0.0), ["0", "0"]),
    ],
)
def test_numbers_that_are_held_against_each_other_can_be_told_apart(values: list[float], texts: list[str]) -> None:
    assert apart_texts(*values) == texts


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "less than 0.1 %"),
        (0.00099, "less than 0.1 %"),
        (0.00123, "0.12 %"),
        (0.0345, "3.5 %"),
        (0.5, "50 %"),
        (0.987, "98.7 %"),
        (0.9985, "99.85 %"),
        (0.99999, "more than 99.9 %"),
        (1.0, "more than 99.9 %"),
    ],
)
def test_chances_are_never_said_to_be_certain(probability: float, text: str) -> None:
    assert chance_text(probability) == text


@given(st.floats(-1, 1), st.integers(0, 6))
@settings(deadline=None)
def test_zero_has_no_sign(value: float, decimals: int) -> None:
    texts = [
        *(fixed_text(value, decimals), signed_fixed_text(value, decimals), signed_text(value), number_text(value)),
        *(error_text(value, 0.1), *estimate_texts(value, (value - 1, value + 1)), *apart_texts(value, 1.0)),
    ]
    for text in re.findall(r"[+-][0-9.e+-]+", " ".join(texts)):
        assert float(text.rstrip(".")) != 0, texts
    assert float(signed_fixed_text(value, decimals)) == float(f"{value:.{decimals}f}")


def test_no_sign_is_written_elsewhere() -> None:
    """A format such as `:+.1f` makes -0.0 of a small loss."""
    signed = [
        f"{path.name}: {found[0]}"
        for path in PACKAGE.rglob("*.py")
        for found in re.finditer(r"\{[^{}\n]*:(\+|\{'\+)[^{}\n]*\}", path.read_text())
    ]
    assert signed == []


def test_how_long_it_takes_can_be_read() -> None:
    texts = [duration_text(seconds) for seconds in (0.2, 119, 120, 3569, 7500, 72 * 3600 - 31, 143696335)]
    assert texts == ["0 s", "119 s", "2 min", "59 min", "2 h 05 min", "71 h 59 min", "1,663 days"]
