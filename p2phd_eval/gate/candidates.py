"""What a document says of each candidate, for the rules of a gate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from p2phd_eval.errors import InputError
from p2phd_eval.report.documents import how_to_remake
from p2phd_eval.stats.verdicts.equivalence import Verdict

_Type = type | tuple[type, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """What a document says of one candidate; its numbers are the document's own."""

    arm: str
    verdict: Verdict
    sentence: str  # the verdict in words, with its scope and interval
    statistic: str | None  # "FID" or "KID", whichever decides; None where nothing could be compared
    why_kid: str  # why FID does not decide; empty where it does
    estimate: float | None  # difference, positive where the candidate is worse; None where there is none
    interval: tuple[float, float] | None  # two-sided, at `confidence`
    confidence: float
    non_inferior: bool | None  # shown not to be worse by more than the margin; None without a margin
    failed: int  # trainings that did not finish


def read_candidates(document: Mapping[str, Any], where: str) -> tuple[Candidate, ...]:
    """Return the candidates of a comparison, or those of a study's report.

    Parameters
    ----------
    document : mapping
        Of the kind "compare" or "report".
    where : str
        Its file, for errors.

    Raises
    ------
    InputError
        If something is missing or of another type.
    """
    if document["schema"] == "p2phd-eval/compare":
        return _of_comparison(_Part(document, where, how_to_remake("compare")))
    report = _Part(document, where, how_to_remake("report"))
    training = report.part("comparisons").optional_part("training")
    compared = {} if training is None else {each.arm: each for each in _of_comparison(training)}
    return tuple(_of_report(entry, compared) for entry in report.parts("verdicts"))


class _Part:
    """A JSON object in a document, which knows where it stands."""

    def __init__(self, values: Any, where: str, fix: str) -> None:
        self.where, self._fix = where, fix
        if not isinstance(values, Mapping):
            raise self.error("an object", repr(values))
        self._values = values

    def error(self, expected: str, found: str) -> InputError:
        return InputError(self.where, expected=expected, found=found, fix=self._fix)

    def get(self, key: str, kind: _Type) -> Any:
        if key not in self._values:
            raise self.error(f"the key {key!r}", "none")
        value = self._values[key]
        if not isinstance(value, kind):
            names = " or ".join(each.__name__ for each in (kind if isinstance(kind, tuple) else (kind,)))
            raise self.error(f"{key!r} as {names}", type(value).__name__)
        return value

    def number(self, key: str) -> float:
        value = self.get(key, (float, int))
        if isinstance(value, bool) or not math.isfinite(value):
            raise self.error(f"{key!r} as a finite number", repr(value))
        return float(value)

    def interval(self) -> tuple[float, float]:
        ends = self.get("interval", (list, tuple))
        if len(ends) != 2 or not all(type(end) in (float, int) and math.isfinite(end) for end in ends):
            raise self.error("'interval' as two finite numbers", repr(ends))
        return float(ends[0]), float(ends[1])

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = self.get(key, str)
        if value not in choices:
            raise self.error(f"{key!r} as one of {', '.join(choices)}", repr(value))
        return str(value)

    def part(self, key: str) -> _Part:
        return _Part(self.get(key, dict), f"{self.where}, {key}", self._fix)

    def optional_part(self, key: str) -> _Part | None:
        return None if self.get(key, (dict, type(None))) is None else self.part(key)

    def parts(self, key: str) -> list[_Part]:
        entries = self.get(key, list)
        return [_Part(entry, f"{self.where}, {key}[{index}]", self._fix) for index, entry in enumerate(entries)]


def _of_comparison(comparison: _Part) -> tuple[Candidate, ...]:
    confidence = comparison.number("confidence")
    found = []
    for entry in comparison.parts("candidates"):
        test = entry.part("test")
        found.append(
            Candidate(
                arm=entry.get("name", str),
                verdict=_verdict(entry),
                sentence=entry.get("sentence", str),
                statistic=entry.choice("statistic", ("FID", "KID")),
                why_kid=entry.get("why_kid", str),
                estimate=test.number("estimate"),
                interval=test.interval(),
                confidence=confidence,
                non_inferior=test.get("non_inferior", (bool, type(None))),
                failed=0,
            )
        )
    return tuple(found)


def _of_report(entry: _Part, compared: Mapping[str, Candidate]) -> Candidate:
    """The verdict, which counts failed runs; what it leaves out comes from the comparison of the runs that finished."""
    arm = entry.get("arm", str)
    values: dict[str, Any] = {
        "arm": arm,
        "verdict": _verdict(entry),
        "sentence": entry.get("sentence", str),
        "confidence": entry.number("confidence"),
        "failed": entry.get("failed", int),
    }
    if entry.get("statistic", (str, type(None))) is None:
        return Candidate(**values, statistic=None, why_kid="", estimate=None, interval=None, non_inferior=None)
    if arm not in compared:
        raise entry.error(f"a candidate {arm!r} in comparisons.training", "none")
    return Candidate(
        **values,
        statistic=entry.choice("statistic", ("FID", "KID")),
        why_kid=compared[arm].why_kid,
        estimate=entry.number("estimate"),
        interval=entry.interval(),
        non_inferior=compared[arm].non_inferior,
    )


def _verdict(entry: _Part) -> Verdict:
    return Verdict(entry.choice("verdict", tuple(verdict.value for verdict in Verdict)))
