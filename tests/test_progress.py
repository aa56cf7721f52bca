"""Progress of parts."""

from __future__ import annotations

from p2phd_eval.progress import part_of


def test_a_part_goes_from_where_it_begins_to_where_the_next_one_does():
    seen = []
    for start, size in ((0, 25), (25, 75)):
        part = part_of(lambda done, total: seen.append((done, total)), start, size, 100)
        for done in range(4):
            part(done, 3)
    assert seen == [(0, 100), (8, 100), (16, 100), (25, 100), (25, 100), (50, 100), (75, 100), (100, 100)]
