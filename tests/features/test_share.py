from __future__ import annotations

import re

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.features.share import Share


@pytest.mark.parametrize(("n", "count"), [(10, 1), (10, 3), (7, 7), (10007, 8), (3, 5)])
def test_shares_are_equal_consecutive_and_all(n: int, count: int) -> None:
    rows = [Share(index=index, count=count).rows(n) for index in range(count)]
    assert [row for each in rows for row in each] == list(range(n))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1
    assert len(rows[0]) == min(map(len, rows))  # by which too many shares are refused


def test_it_is_given_as_text_or_numbers() -> None:
    assert Share.of("3/8") == Share.of((3, 8)) == Share(index=3, count=8)
    assert str(Share.of("0/1")) == "0/1"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("8/8", "--shard 8/8: expected one of 0/8 to 7/8, found 8.\nShares are counted from 0, as the tasks of"),
        ("0/0", "--shard 0/0: expected at least one share, found 0."),
        ("1 of 8", "--shard: expected a share and their number, such as 0/8, found '1 of 8'."),
        ("-1/8", "--shard: expected a share and their number"),
        ((-1, 8), "--shard -1/8: expected one of 0/8 to 7/8, found -1."),
        ((1, 2, 3), "--shard: expected a share and their number"),
        (3, "--shard: expected a share and their number, such as 0/8, found 3."),
    ],
)
def test_what_is_no_share_is_refused(given: object, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        Share.of(given)
