"""`p2phd-eval edit faces`."""

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Json, Size
from p2phd_eval.commands.options.places import folder_to_write
from p2phd_eval.editing.faces.map_kinds import FaceMaps
from p2phd_eval.report.console import Output


def faces(
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FOLDER", callback=folder_to_write, help="Data set to write, or to add a phase to."
        ),
    ],
    landmarks: Annotated[
        Path | None, typer.Argument(help="File of 68 points, or a folder of them: .pts, .txt, .csv, .json or .npy.")
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option("--photos", metavar="FOLDER", help="Folder of the photos, paired with the landmarks by name."),
    ] = None,
    dlib_model: Annotated[
        Path | None,
        typer.Option(
            "--dlib-model",
            metavar="FILE",
            help="shape_predictor_68_face_landmarks.dat: find the points in --photos, in place of LANDMARKS.",
        ),
    ] = None,
    maps: Annotated[
        FaceMaps, typer.Option("--maps", help="Edges as PHASE_A, or a label for each part of the face as PHASE_label.")
    ] = FaceMaps.EDGES,
    phase: Annotated[str, typer.Option("--phase", help="Part of the data set to write.")] = "train",
    size: Size = None,
    crop: Annotated[bool, typer.Option("--crop", help="Cut a square of 2.5 widths of the face around it.")] = False,
    background: Annotated[
        bool, typer.Option("--background/--no-background", help="Draw the photo's edges around the face, by Canny.")
    ] = True,
    json_target: Json = None,
) -> None:
    """Turn the 68 points of faces into edge maps or part labels: a data set to train on, or to change faces with.

    The points in the pixels of the maps are PHASE_keypoints: copy the folder, move some points, and give it as
    LANDMARKS to get the map of the changed face.

    Examples:

        p2phd-eval edit faces landmarks/ --photos photos/ --size 512 512 --out faces

        p2phd-eval edit faces --photos photos/ --dlib-model shape_predictor_68_face_landmarks.dat --crop --out faces

        p2phd-eval edit faces moved/ --photos faces/test_B --phase test --out changed
    """
    from p2phd_eval.editing.faces.write_faces import write_faces
    from p2phd_eval.report.documents.command_documents import FacesDocument
    from p2phd_eval.report.documents.document import from_result

    output = Output(json_target)
    with output.progress("draw", "faces") as on_progress:
        result = write_faces(
            out,
            landmarks,
            photos=photos,
            dlib_model=dlib_model,
            maps=maps,
            phase=phase,
            size=size,
            crop=crop,
            background=background,
            on_progress=on_progress,
        )
    output.document(from_result(FacesDocument, result))
    for photos_of, names in (
        ("Left out, without landmarks", result.without_face),
        ("Several faces, the largest taken", result.several_faces),
    ):
        if names:
            output.note(f"{photos_of}: {len(names)}, such as {', '.join(names[:5])}.")
    kind = "edge map" if maps is FaceMaps.EDGES else "map of parts"
    output.note(f"{result.n} {kind if result.n == 1 else kind.replace('map', 'maps')} in {out}, phase {phase}.")
