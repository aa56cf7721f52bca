"""What is filled into the commands of an arm."""

from __future__ import annotations

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.study.placeholders import fill, names_in, require_placeholders


def test_only_what_is_a_placeholder_is_filled_in() -> None:
    values = {"seed": "3", "out": "/images of {seed}"}
    assert fill("--seed={seed}", values) == "--seed=3"
    # What was filled in is not looked through again, and other braces stay.
    assert fill('{out} {{seed}} {"a": 1} {} {0} ${HOME', values) == '/images of {seed} {seed} {"a": 1} {} {0} ${HOME'
    assert names_in('{out}{seed} {{run}} {"a": 1} {}') == {"out", "seed"}


def test_a_misspelt_one_is_named_with_its_neighbour() -> None:
    with pytest.raises(InputError, match=r"found \{sed\} in '--seed=\{sed\}'\.\nDid you mean \{seed\}\?") as error:
        require_placeholders("--seed={sed}", "arms.toml, line 3")
    assert str(error.value).startswith("arms.toml, line 3: expected placeholders among {seed}, {out}, {run}")
    require_placeholders("{{sed}} {seed}", "arms.toml")


@pytest.mark.parametrize("text", ["{seed:03d}", "{ seed }", "{Seed:x}", "{seed!r}"])
def test_one_as_other_languages_write_it_is_no_text(text: str) -> None:
    with pytest.raises(InputError, match=r"expected \{seed\} as it stands here, without spaces or a format"):
        require_placeholders(f"--seed={text}", "arms.toml, line 3")
    require_placeholders('{{seed}} {lr: 0.1} {"seed": 1}', "arms.toml")  # text
