"""Every kind of bad input has its message and exit code, and the page that promises them says what was printed."""

from __future__ import annotations

import runpy
from typing import Any

import pytest

from tests.bad_input.case import Case
from tests.bad_input.cases import CASES
from tests.documentation import DOCS

MAKE: dict[str, Any] = runpy.run_path(str(DOCS / "make_bad_input.py"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind.replace(" ", "-"))
def test_bad_input_is_answered_as_promised(case: Case) -> None:
    code, message = MAKE["seen"](case)
    assert (code, message != "") == (case.exit_code, True)
    assert case.words in message
    assert "Traceback" not in message
    assert message.replace("\n", "").isprintable()


def test_the_page_says_what_was_seen() -> None:
    assert (DOCS / "bad-input.md").read_text(encoding="utf-8") == MAKE["page"](), "make bad-input"


def test_no_kind_is_there_twice() -> None:
    assert len({(case.area, case.kind) for case in CASES}) == len(CASES)
