"""The arms of a study that an arms file describes: pix2pixHD in a precision, or commands of any generator."""

from __future__ import annotations

from msgspec import Struct


class PrecisionArm(Struct, frozen=True, kw_only=True, tag_field="kind", tag="precision"):
    """pix2pixHD, trained in a precision by the study itself."""

    precision: str
    benign: bool = False  # ought to change nothing: a part of the noise floor, not judged


class CommandArm(Struct, frozen=True, kw_only=True, tag_field="kind", tag="command"):
    """A generator that is run as commands, or whose images are there already; texts may hold placeholders."""

    generate: tuple[str, ...] = ()  # program and arguments; empty where the images are there already
    train: tuple[str, ...] = ()  # likewise, before it; empty: what it generates with is there already
    run_of: str | None = None  # the arm whose `train` wrote what this one generates with
    images: str | None = None  # where the images are, if not {out} as a whole
    folder: str  # where its commands run, absolute
    inputs: dict[str, str] = {}  # SHA-256 of the files and folders that its images depend on, by name as given
    environment: dict[str, str] = {}  # added to that of the study
    timeout_s: float | None = None  # seconds after which a command is ended
    benign: bool = False  # ought to change nothing: a part of the noise floor, not judged


#: What makes the images of an arm.
ArmKind = PrecisionArm | CommandArm
