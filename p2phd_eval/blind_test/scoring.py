"""People's result files and the key, to their answers."""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec.structs import astuple

from p2phd_eval.errors import InputError
from p2phd_eval.report.documents.blind_test_documents import KeyDocument, ResultsDocument
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.exposure_documents import ExposureResults
from p2phd_eval.stats.proportions.forced_choice import Response

R = TypeVar("R", ResultsDocument, ExposureResults)

_LONGEST_NAME = 80  # what a table still shows; the page takes 60


def read_responses(key: KeyDocument, paths: Sequence[Path]) -> tuple[Response, ...]:
    """Read what people answered to a page.

    Answers come in the order of the files, and in each as they were given. Raises `InputError` if a file is none of
    this page's, is damaged, does not answer each trial once, or repeats a session or a name.

    `paths`: the file that the page saved for each person; at least one.
    """
    responses: list[Response] = []
    for path, name, saved in read_people(key.page, paths, ResultsDocument):
        _require_answers(path, saved, len(key.trials))
        responses += [
            Response(
                person=name,
                image=key.trials[answer.trial].id,
                candidate=answer.chosen == key.trials[answer.trial].candidate,
                left=answer.side == "left",
                seconds=answer.milliseconds / 1000,
            )
            for answer in saved.answers
        ]
    return tuple(responses)


def read_people(page: str, paths: Sequence[Path], kind: type[R]) -> Iterator[tuple[Path, str, R]]:
    """Read the files that a page saved, each with the name of its person.

    Raises `InputError` if a file is none of this page's, or repeats a session or a name.
    """
    sessions: dict[str, Path] = {}
    people: dict[str, Path] = {}
    for path in paths:
        saved = read_document(path, kind)
        if saved.page != page:
            raise InputError(
                str(path),
                expected=f"answers to the page {page[:12]}...",
                found=f"answers to {saved.page[:12]}...",
                fix="Score it with the key that was written beside its page.",
            )
        name = _name(path, saved.participant)
        _require_new(path, sessions.get(saved.session), "answers that no other file holds", "those of")
        _require_new(path, people.get(name.casefold()), "a name that no other file has", f"{name!r}, as in")
        sessions[saved.session] = people[name.casefold()] = path
        yield path, name, saved


def answers_checksum(page: str, session: str, answers: Sequence[Sequence[object]]) -> str:
    """CRC-32 of the answers, as the page writes it: finds what was cut or garbled on its way, not who wrote it.

    The result has eight hexadecimal digits. `answers`: what the page joins by commas, an answer a line.
    """
    lines = [page, session, *(",".join(map(str, answer)) for answer in answers)]
    return f"{zlib.crc32(chr(10).join(lines).encode()):08x}"


def _require_answers(path: Path, saved: ResultsDocument, trials: int) -> None:
    if len(saved.answers) != trials:
        raise InputError(
            str(path),
            expected=f"{trials} answers, one to each trial",
            found=f"{len(saved.answers)}",
            fix="The page goes on where it was in the browser it was opened in; save the file at its end.",
        )
    if {answer.trial for answer in saved.answers} != set(range(trials)):
        raise InputError(str(path), expected="one answer to each trial", found="several to one trial, none to another")
    if saved.checksum != answers_checksum(saved.page, saved.session, [astuple(answer) for answer in saved.answers]):
        raise InputError(
            str(path),
            expected="answers as the page saved them",
            found="other ones: their checksum does not fit",
            fix="Take the file as it was saved, or ask for it again.",
        )


def _name(path: Path, given: str) -> str:
    # What a terminal would take as a command, and what would break a table.
    shown = "".join(each if each.isprintable() else " " for each in given)
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
