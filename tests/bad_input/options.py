"""Bad input: options."""

from __future__ import annotations

from tests.bad_input.case import Case, photos, text

OPTIONS = (
    Case(
        area="Options",
        kind="A value that is none",
        make=lambda: None,
        typed="plan --power much",
        words="expected a number, found 'much'",
    ),
    Case(
        area="Options",
        kind="A gate without a rule",
        make=lambda: text("verdict.json", "{}"),
        typed="gate verdict.json",
        words="expected a rule: --require within",
    ),
    Case(
        area="Options",
        kind="A device that there is not",
        make=lambda: (photos("photos"), photos("samples")),
        typed="fid photos samples --device warp9",
        words="warp9",
    ),
    Case(
        area="Options",
        kind="A confidence that is none",
        make=lambda: None,
        typed="plan --image-sd 60 --margin 2 --confidence 0.9999999999999999",
        words="--confidence",
    ),
)
