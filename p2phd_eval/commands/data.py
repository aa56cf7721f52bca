"""`p2phd-eval data synthesize`, `data celebamask` and `data validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p2phd_eval.commands.options.common import Json, Seed, Size
from p2phd_eval.commands.options.places import folder_to_write
from p2phd_eval.report.console import Output, ResultTable

if TYPE_CHECKING:
    from p2phd_eval.generators.data.validation import DataReport

app = typer.Typer(
    no_args_is_help=True, help="Draw a data set of street scenes, lay CelebAMask-HQ out, or check one of your own."
)


@app.command()
def synthesize(
    out: Annotated[Path, typer.Argument(callback=folder_to_write, help="Folder to make.")],
    n_train: Annotated[int, typer.Option("--train", min=1, help="Training scenes.")] = 200,
    n_test: Annotated[int, typer.Option("--test", min=0, help="Test scenes.")] = 100,
    width: Annotated[int, typer.Option("--width", help="Of maps and photos, in pixels.")] = 256,
    height: Annotated[int, typer.Option("--height", help="Of maps and photos, in pixels.")] = 128,
    seed: Seed = 0,
    json_target: Json = None,
) -> None:
    """Draw procedural street scenes in pix2pixHD's folder layout: label, instance and photo, no download.

    Example:

        p2phd-eval data synthesize scenes --train 400 --test 200
    """
    from p2phd_eval.report.documents.command_documents import SynthesizeDocument
    from p2phd_eval.scenes.data_set import CLASSES, write_dataset

    output = Output(json_target)
    with output.progress("draw", "scenes") as on_progress:
        write_dataset(
            out, n_train=n_train, n_test=n_test, width=width, height=height, seed=seed, on_progress=on_progress
        )
    output.document(
        SynthesizeDocument(
            folder=str(out),
            n_train=n_train,
            n_test=n_test,
            width=width,
            height=height,
            seed=seed,
            classes=tuple(CLASSES),
        )
    )
    output.note(
        f"{n_train} training and {n_test} test scenes of {width} x {height} with {len(CLASSES)} classes in {out}."
    )


@app.command()
def celebamask(
    source: Annotated[Path, typer.Argument(help="The folder CelebAMask-HQ, unpacked.")],
    out: Annotated[Path, typer.Argument(callback=folder_to_write, help="Folder to make.")],
    size: Size = None,
    json_target: Json = None,
) -> None:
    """Join the masks of CelebAMask-HQ to label maps of 19 classes, and write the parts train, val and test of CelebA.

    Get it from its authors, who allow its use for research that is not commercial. The label of a pixel is that of
    the last mask that covers it, in their order. Without --size maps and photos get the masks' 512 x 512 pixels.

    Example:

        p2phd-eval data celebamask CelebAMask-HQ faces --size 256 256
    """
    from p2phd_eval.editing.faces.celebamask import CELEBAMASK_CLASSES, convert_celebamask
    from p2phd_eval.report.documents.command_documents import CelebAMaskDocument
    from p2phd_eval.report.documents.document import from_result

    output = Output(json_target)
    with output.progress("convert", "faces") as on_progress:
        result = convert_celebamask(source, out, size=size, on_progress=on_progress)
    output.document(from_result(CelebAMaskDocument, result, classes=CELEBAMASK_CLASSES))
    if result.n_missing:
        output.note(f"{result.n_missing} faces of its list have no photo there and are left out.")
    output.note(f"{', '.join(f'{n} {phase}' for phase, n in result.n.items())} faces in {out}.")


@app.command()
def validate(
    data: Annotated[Path, typer.Argument(help="Data set in pix2pixHD's layout.")],
    label_nc: Annotated[
        int | None, typer.Option("--label-nc", min=0, help="Classes. Default: classes.json, else 35.")
    ] = None,
    instances: Annotated[
        bool | None, typer.Option("--instances/--no-instances", help="Check instance maps. Default: if there are any.")
    ] = None,
    json_target: Json = None,
) -> None:
    """Read every file and name all that is wrong: orphans, unreadable files, sizes that differ, labels out of range.

    Exit code 2 if anything is. Warnings name what training reads, but perhaps not as it is meant: photos with an EXIF
    orientation or transparent pixels, files of several frames, dark 16-bit data, palettes that differ.

    Example:

        p2phd-eval data validate datasets/cityscapes --label-nc 35
    """
    from p2phd_eval.generators.data.validation import validate_data
    from p2phd_eval.report.documents.command_documents import ValidateDocument
    from p2phd_eval.report.documents.document import from_result

    output = Output(json_target)
    report = validate_data(data, label_nc=label_nc, instances=instances, progress=output.progress)
    output.table(_table(data, report))
    for word, messages in (("problem", report.problems), ("warning", report.warnings)):
        for message in messages:
            output.note(f"{word}: {message}".replace("\n", " "))
    output.document(
        from_result(
            ValidateDocument, report, folder=str(data), n_problems=len(report.problems), n_warnings=len(report.warnings)
        )
    )
    if report.problems:
        raise typer.Exit(2)
    n = sum(phase.n for phase in report.phases)
    good = "All good" if not report.warnings else "Nothing is wrong"
    output.note(f"{good}: {n} samples in {len(report.phases)} phases, and every file of them can be read.")


def _table(data: Path, report: DataReport) -> ResultTable:
    rows = []
    for phase in report.phases:
        largest = sorted(phase.class_shares.items(), key=lambda item: -item[1])[:3]
        rows.append(
            (
                phase.phase,
                str(phase.n),
                ", ".join(f"{size} ({count})" for size, count in phase.sizes.items()),
                str(len(phase.class_shares)),
                ", ".join(f"{label}: {share:.0%}" for label, share in largest),
                str(len(phase.problems)),
                str(len(phase.warnings)),
            )
        )
    return ResultTable(
        title=f"{data}: {report.label_nc} classes, instances {'on' if report.instances else 'off'}",
        columns=("phase", "samples", "sizes", "labels used", "largest classes", "problems", "warnings"),
        rows=tuple(rows),
        styles=tuple("red" if phase.problems else "yellow" if phase.warnings else "" for phase in report.phases),
    )
