"""Bad input: arms files."""

from __future__ import annotations

from functools import partial

from tests.bad_input.case import Case, photos, text


def arms(table: str) -> None:
    """Real images, a script, and an arms file whose second arm is given."""
    photos("real")
    text("sample.py", "raise SystemExit")
    first = 'name = "a"\ngenerate = ["{python}", "sample.py", "{seed}", "{out}"]'
    text("arms.toml", f"[[arm]]\n{first}\n\n[[arm]]\n{table}\n")


ARMS_FILES = (
    *(
        Case(
            area="Arms files",
            kind=kind,
            make=partial(arms, table),
            typed="study real --arms arms.toml --out study",
            words=words,
        )
        for kind, table, words in (
            ("TOML that is none", 'name = "b', "arms.toml, line 6: expected TOML"),
            ("A key that does not exist", 'name = "b"\ngenrate = []', "line 7, arm 2, genrate"),
            (
                "A placeholder that is misspelt",
                'name = "b"\ngenerate = ["{python}", "sample.py", "--seed={sed}", "{out}"]',
                "Did you mean {seed}?",
            ),
            (
                "A command that is not there",
                'name = "b"\ngenerate = ["no-such-program", "{seed}", "{out}"]',
                "'no-such-program', which is not there",
            ),
            (
                "Two arms that are the same",
                'name = "b"\ngenerate = ["{python}", "sample.py", "{seed}", "{out}"]',
                "expected something that tells b from a",
            ),
            (
                "A command that writes anywhere",
                'name = "b"\ngenerate = ["{python}", "sample.py", "{seed}"]',
                "expected {out}, the folder to write the images into",
            ),
            (
                "Runs that are all the same",
                'name = "b"\ngenerate = ["{python}", "sample.py", "{out}"]',
                "the study has 3 seeds",
            ),
            (
                "Inputs among which the study writes",
                'name = "b"\ngenerate = ["{python}", "sample.py", "{out}", "0{seed}"]\ninputs = ["."]',
                "which holds the study's own folder study",
            ),
            ("pix2pixHD without a data set", 'name = "b"\nprecision = "amp-bf16"', "from which b can be trained"),
        )
    ),
)
