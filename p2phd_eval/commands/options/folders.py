"""Options that take several folders, as `--baseline a b c` does: an option of a command line has a fixed number."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from p2phd_eval.commands.options.places import path, require_on_disk
from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.arms import GivenFolders
from p2phd_eval.stores.store_path import as_path

_OPTIONS = ("--baseline", "--candidate", "--runs", "--benign")
# Stands between the folders of one option; no path can hold it.
_BETWEEN = "\0"


def parse_folders(joined: str) -> GivenFolders:
    """Take apart what `FolderOptionsCommand` joined.

    ``NAME=`` before the first folder names the arm, unless a folder of that whole name exists (``lr=1/samples``).
    """
    first, *others = joined.split(_BETWEEN)
    name = None
    named = re.fullmatch(r"([^=/\\]+)=(.+)", first)
    if named and not Path(first).exists():
        name, first = named.groups()
    return GivenFolders(name=name, folders=tuple(map(as_path, (first, *others))))


def parse_run_folders(joined: str) -> GivenFolders:
    """Likewise of folders of trained runs, which lie on disks."""
    given = parse_folders(joined)
    for folder in given.folders:
        require_on_disk(str(folder))
    return given


class FolderOptionsCommand(TyperCommand):
    """A command whose options --baseline, --candidate, --runs and --benign take all that follows, up to an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Join the folders of each of these options into one value."""
        joined = _join_folders(args)
        taker = next((option for option in _OPTIONS for word in joined if word.startswith(f"{option}=")), None)
        try:
            return super().parse_args(ctx, joined)
        except Exception as raised:
            error: Any = raised  # click's, or one of the copy of click inside newer versions of typer
            if type(error).__name__ == "MissingParameter" and taker and error.param.param_type_name == "argument":
                error.message = f"Write it before {taker}, which takes all that follows, up to the next option."
            raise


_SEVERAL = "Several runs an arm"
Positional = Annotated[
    list[Path] | None,  # or of addresses: typer knows no list of what has parameters itself
    typer.Argument(
        parser=path,
        metavar="BASELINE CANDIDATE",
        help="One run an arm: the baseline's images, such as fp32, and those to compare with it, such as AMP.",
    ),
]
Baselines = Annotated[
    list[GivenFolders] | None,
    typer.Option(
        "--baseline",
        parser=parse_folders,
        metavar="FOLDER...",
        rich_help_panel=_SEVERAL,
        help="The baseline's images, a folder for each training seed. NAME= before the first names the arm.",
    ),
]
Candidates = Annotated[
    list[GivenFolders] | None,
    typer.Option(
        "--candidate",
        parser=parse_folders,
        metavar="FOLDER...",
        rich_help_panel=_SEVERAL,
        help="A candidate's, as for --baseline; once for each candidate.",
    ),
]
Runs = Annotated[
    list[GivenFolders] | None,
    typer.Option(
        "--runs",
        parser=parse_folders,
        metavar="FOLDER...",
        rich_help_panel=_SEVERAL,
        help="Instead of both: run folders, image folders of `generate`, or a folder of them. Runs that differ in "
        "their seed alone are one arm, and so are images of each precision of generation; fp32 is the baseline.",
    ),
]


def _join_folders(args: Sequence[str]) -> list[str]:
    joined: list[str] = []
    rest = list(args)
    while rest and rest[0] != "--":
        option, equals, first = rest[0].partition("=")
        if option not in _OPTIONS:
            joined.append(rest.pop(0))
            continue
        end = next((i for i, token in enumerate(rest) if i and token.startswith("-")), len(rest))
        folders = [first, *rest[1:end]] if equals else rest[1:end]
        if not folders or "" in folders:
            raise InputError(
                option,
                expected="one or more folders after it",
                found="an empty text" if folders else "none",
                fix=f"For example: {option} FOLDER FOLDER FOLDER",
            )
        joined.append(f"{option}={_BETWEEN.join(folders)}")
        rest = rest[end:]
    return joined + rest
