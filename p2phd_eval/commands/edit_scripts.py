"""`p2phd-eval edit apply` and `p2phd-eval edit random`."""

from enum import Enum
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Json, Phase, Seed
from p2phd_eval.commands.options.places import folder_to_write, text_to_write
from p2phd_eval.report.console import Output

Data = Annotated[Path, typer.Argument(metavar="DATA", help="Data set in pix2pixHD's layout; photos are not needed.")]


class Kind(str, Enum):
    """Kinds of edits."""

    STYLE = "style"
    LABEL = "label"
    OBJECT = "object"
    STROKE = "stroke"
    REMOVE = "remove"
    MOVE = "move"


class Regions(str, Enum):
    """What has one style."""

    INSTANCE = "instance"
    LABEL = "label"


def apply(
    data: Data,
    script: Annotated[Path, typer.Option("--script", metavar="FILE", help="Script of edits, JSON.")],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER", callback=folder_to_write, help="Folder to make: the edited data set."),
    ],
    json_target: Json = None,
) -> None:
    """Write the images that a script edits as a data set, which every other command takes.

    Beside the edited maps stand the styles that regions were given, which `generate` reads, and a picture of what each
    edit changed. A script of another data set is refused.

    Examples:

        p2phd-eval edit apply DATA --script edits.json --out EDITED

        p2phd-eval generate runs/amp EDITED --out runs/amp/edited
    """
    from p2phd_eval.editing.apply_edits import apply_edits
    from p2phd_eval.report.documents.command_documents import EditApplyDocument
    from p2phd_eval.report.documents.document import from_result

    output = Output(json_target)
    result = apply_edits(data, script, out, progress=output.progress)
    output.document(from_result(EditApplyDocument, result, folder=str(result.folder)))
    output.note(str(result))


def random(
    data: Data,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", callback=text_to_write, help="Script to write, JSON.")],
    per_image: Annotated[
        int, typer.Option("--per-image", min=1, help="Edits of each image; fewer where it has no place for so many.")
    ] = 3,
    seed: Seed = 0,
    phase: Phase = "test",
    kinds: Annotated[
        list[Kind] | None,
        typer.Option("--kind", help="Kind of edits; may be repeated. Default: all. Styles take a model with features."),
    ] = None,
    features: Annotated[
        Regions | None,
        typer.Option(
            "--features", help="What has a style of its own, as in `train --features`. Default: instances, if any."
        ),
    ] = None,
    label_nc: Annotated[
        int | None, typer.Option("--label-nc", min=0, help="Classes. Default: classes.json, else 35.")
    ] = None,
    instances: Annotated[
        bool | None, typer.Option("--instances/--no-instances", help="Use instance maps. Default: if there are any.")
    ] = None,
    json_target: Json = None,
) -> None:
    """Make a script of random edits from a data set's own objects: relabelled, moved, removed, pasted, restyled.

    Strokes are painted, too. No two edits of an image touch each other, so that each can be looked at alone.

    Example:

        p2phd-eval edit random DATA --per-image 3 --seed 0 --out edits.json
    """
    from p2phd_eval.editing.edits import KINDS
    from p2phd_eval.editing.random_edits import random_edits
    from p2phd_eval.report.documents.command_documents import EditRandomDocument

    output = Output(json_target)
    result = random_edits(
        data,
        out,
        per_image=per_image,
        seed=seed,
        phase=phase,
        kinds=[kind.value for kind in kinds] if kinds else KINDS,
        features=None if features is None else features.value,
        label_nc=label_nc,
        instances=instances,
        progress=output.progress,
    )
    output.document(
        EditRandomDocument(
            script=str(out),
            edits=len(result.script.edits),
            images=result.images,
            wanted=result.wanted,
            by_kind=result.by_kind,
            data_sha256=result.script.data_sha256,
        )
    )
    given = f"{quote(str(data))} --script {quote(str(out))}"
    output.note(str(result), f"Apply them: p2phd-eval edit apply {given} --out EDITED")
