"""`p2phd-eval edit serve`."""

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Device, Phase, Seed
from p2phd_eval.commands.options.places import folder_to_write
from p2phd_eval.report.console import Output


def serve(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN [RUN2]", help="One or two run folders, checkpoints or folders of the original."),
    ],
    data: Annotated[Path, typer.Option("--data", metavar="DATA", help="Data set in pix2pixHD's layout.")],
    phase: Phase = "test",
    port: Annotated[int, typer.Option("--port", help="On this machine alone. 0: any that is free.")] = 8765,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FOLDER",
            callback=folder_to_write,
            help="Folder of the script and of saved data sets; a script in it is taken up again.",
        ),
    ] = Path("edits"),
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision", metavar="NAME", help="As of `generate`: one for all runs, or one for each; may be repeated."
        ),
    ] = None,
    clusters: Annotated[
        list[Path] | None,
        typer.Option(
            "--clusters",
            metavar="FILE",
            help="Of each run with an encoder; may be repeated. Default: RUN/clusters.npz.",
        ),
    ] = None,
    seed: Seed = 0,
    device: Device = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
) -> None:
    """Edit images by hand in a browser: paint, add, move, remove, relabel and restyle, and see what models make of it.

    Photo, label map and the samples of one or two runs stand beside each other, with the difference between them.
    Every edit is written to OUT/edits.json at once; `edit apply` and `generate --batch-size 1` make of it what the page
    showed, to the bit. The server is for this machine alone; from another one: ssh -L 8765:127.0.0.1:8765 HOST. Ctrl-C
    ends it.

    Example:

        p2phd-eval edit serve runs/fp32 runs/amp --data scenes --phase test
    """
    from p2phd_eval.editor.serving import open_browser, open_editor

    output = Output(None)
    with open_editor(
        runs,
        data,
        phase=phase,
        port=port,
        out=out,
        precisions=precision or ["fp32"],
        clusters=clusters or [],
        seed=seed,
        device=device,
        note=output.note,
        progress=output.progress,
    ) as server:
        # The port is open already: who comes early waits a moment.
        output.note(f"Open {server.address}", "Ctrl-C ends it.")
        if browser:
            open_browser(server.address)
        server.answer()
    output.note(f"Ended. The script: {server.script}" if server.script.exists() else "Ended, without edits.")
