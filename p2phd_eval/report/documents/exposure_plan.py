"""What is settled of a test under a time limit before anybody is asked: times, rules and attention checks."""

import hashlib
import json
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from scipy import special

Position = Literal["first", "second"]
Arm = Literal["baseline", "candidate"]
Milliseconds = Annotated[int, Meta(ge=1, le=60_000)]

#: Checks that a person has to have seen, as planned: of fewer a lucky guess would pass.
FEWEST_CHECKS = 5


class ExposurePlan(Struct, frozen=True, kw_only=True):
    """Times and rules of a test under a time limit. Its hash is part of the page's identity, so that answers fit one
    plan alone."""

    exposures: tuple[Milliseconds, ...]  # how long pairs are shown, in milliseconds, rising
    fixation: Milliseconds = 500  # how long the cross stands before
    mask: Milliseconds = 300  # how long the mask stands afterwards
    #: A trial is left out whose time was farther, in milliseconds, from the whole number of the display's frames that
    #: is nearest to the exposure; all are, where this number itself is farther from the exposure.
    tolerance: Milliseconds = 10
    check_exposure: Milliseconds = 1000  # of an attention check
    checks: Annotated[int, Meta(ge=0)]  # attention checks of a person
    #: Somebody who guesses passes the checks with at most this probability.
    lucky: Annotated[float, Meta(gt=0, lt=1)] = 0.05
    margin: Annotated[float, Meta(gt=0, lt=0.5)]  # how far from 0.5 a share still counts as even
    confidence: Annotated[float, Meta(gt=0.5, lt=1)]

    def fewest_right(self, seen: int) -> int | None:
        """How many of the checks that were seen as planned a person has to have right; None where too few were seen."""
        if seen < FEWEST_CHECKS:
            return None
        passes = (right for right in range(seen + 1) if special.bdtrc(right - 1, seen, 0.5) <= self.lucky)
        return next(passes, seen)


class CheckOfKey(Struct, frozen=True, kw_only=True):
    """A pair with a known answer: an image, and the same with its blocks in disorder."""

    id: str  # the label map's id
    of: Arm  # whose image it is
    intact: Position  # where the image stands that is in order


class ExposureOfKey(Struct, frozen=True, kw_only=True):
    """What the key of a test under a time limit holds besides."""

    plan: ExposurePlan
    shown: str  # SHA-256 of the pixels that people see, hexadecimal
    checks: tuple[CheckOfKey, ...]  # their numbers follow those of the trials

    def identity(self) -> str:
        """The identity of the page: a hash of what people see and of the plan."""
        plan = json.dumps(msgspec.to_builtins(self.plan), sort_keys=True)
        return hashlib.sha256(f"{self.shown}\n{plan}".encode()).hexdigest()


def exposure_text(milliseconds: int) -> str:
    """Return an exposure as people read it: "125 ms", "1.5 s"."""
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:g} s"
