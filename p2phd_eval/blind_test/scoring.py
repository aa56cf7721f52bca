"""People's result files and the key, to their answers."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from p2phd_eval.blind_test.key import RESULTS_SCHEMA, RESULTS_VERSION, BlindKey, read_document
from p2phd_eval.errors import InputError
from p2phd_eval.stats.proportions.forced_choice import Response

_POSITIONS = ("first", "second")
_SIDES = ("left", "right")
_LONGEST_NAME = 80  # what a table still shows; the page takes 60


def read_responses(key: BlindKey, paths: Sequence[Path]) -> tuple[Response, ...]:
    """Read what people answered to a page.

    Parameters
    ----------
    key : BlindKey
    paths : sequence of path
        The file that the page saved for each person; at least one.

    Returns
    -------
    tuple of Response
        In the order of the files, and of the answers in each.

    Raises
    ------
    InputError
        If a file is none of this page's, is damaged, does not answer each trial once, or repeats a session or a name.
    """
    responses: list[Response] = []
    sessions: dict[str, Path] = {}
    people: dict[str, Path] = {}
    for path in paths:
        document = read_document(
            path, RESULTS_SCHEMA, RESULTS_VERSION, "what the page of a blind test saved at its end"
        )
        if document.get("page") != key.page:
            raise InputError(
                str(path),
                expected=f"answers to the page {key.page[:12]}...",
                found=f"answers to {str(document.get('page'))[:12]}...",
                fix="Score it with the key that was written beside its page.",
            )
        answers, name = _answers(path, document, len(key.ids)), _name(path, document)
        session = str(document.get("session"))
        _require_new(path, sessions.get(session), "answers that no other file holds", "those of")
        _require_new(path, people.get(name.casefold()), "a name that no other file has", f"{name!r}, as in")
        sessions[session] = people[name.casefold()] = path
        for trial, position, side, milliseconds in answers:
            responses.append(
                Response(
                    person=name,
                    image=key.ids[trial],
                    candidate=(position == "first") == key.candidate_first[trial],
                    left=side == "left",
                    seconds=milliseconds / 1000,
                )
            )
    return tuple(responses)


def results_checksum(page: str, session: str, answers: Sequence[tuple[int, str, str, int]]) -> str:
    """CRC-32 of the answers, as the page writes it: finds what was cut or garbled on its way, not who wrote it.

    Parameters
    ----------
    page, session : str
    answers : sequence of (trial, "first" or "second", "left" or "right", milliseconds)

    Returns
    -------
    str
        Eight hexadecimal digits.
    """
    lines = [page, session, *(",".join(map(str, answer)) for answer in answers)]
    return f"{zlib.crc32(chr(10).join(lines).encode()):08x}"


def _answers(path: Path, document: dict[str, Any], trials: int) -> list[tuple[int, str, str, int]]:
    listed = document.get("answers")
    if not isinstance(listed, list) or len(listed) != trials:
        raise InputError(
            str(path),
            expected=f"{trials} answers, one to each trial",
            found=f"{len(listed)}" if isinstance(listed, list) else "none",
            fix="The page goes on where it was in the browser it was opened in; save the file at its end.",
        )
    answers = [_answer(f"{path}: answers[{i}]", each, trials) for i, each in enumerate(listed)]
    if len({trial for trial, *_ in answers}) < trials:
        raise InputError(str(path), expected="one answer to each trial", found="several to one trial, none to another")
    expected = results_checksum(str(document.get("page")), str(document.get("session")), answers)
    if document.get("checksum") != expected:
        raise InputError(
            str(path),
            expected="answers as the page saved them",
            found="other ones: their checksum does not fit",
            fix="Take the file as it was saved, or ask for it again.",
        )
    return answers


def _answer(where: str, answer: Any, trials: int) -> tuple[int, str, str, int]:
    values = answer if isinstance(answer, dict) else {}
    trial, position, side, milliseconds = (values.get(key) for key in ("trial", "chosen", "side", "milliseconds"))
    # A bool is an int to Python, not to JSON.
    numbers = type(trial) is int and 0 <= trial < trials and type(milliseconds) is int and milliseconds >= 0
    if not numbers or position not in _POSITIONS or side not in _SIDES:
        raise InputError(
            where,
            expected=f"trial (0 to {trials - 1}), chosen (first or second), side (left or right) and milliseconds",
            found=repr(answer)[:200],
        )
    return trial, position, side, milliseconds  # type: ignore[return-value]  # checked above


def _name(path: Path, document: dict[str, Any]) -> str:
    given = document.get("participant")
    # What a terminal would take as a command, and what would break a table.
    shown = "".join(each if each.isprintable() else " " for each in given) if isinstance(given, str) else ""
    name = " ".join(shown.split())
    if not 0 < len(name) <= _LONGEST_NAME:
        raise InputError(
            str(path), expected=f"a participant's name of 1 to {_LONGEST_NAME} characters", found=repr(given)[:100]
        )
    return name


def _require_new(path: Path, before: Path | None, expected: str, found: str) -> None:
    if before is not None:
        raise InputError(
            str(path),
            expected=expected,
            found=f"{found} {before}",
            fix='Leave one out. If they are two people, change "participant" in one of the files.',
        )
