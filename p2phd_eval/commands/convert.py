"""`p2phd-eval convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Instances, Json, LabelNc, WhichEpoch
from p2phd_eval.config import flat
from p2phd_eval.report.console import Output, ResultTable
from p2phd_eval.report.documents import document


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder of the original (latest_net_G.pth, _D, _E), or a run folder or checkpoint of ours."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Run folder to write, or the original's folder where SOURCE is ours.")],
    which_epoch: WhichEpoch = None,
    label_nc: LabelNc = None,
    instances: Instances = None,
    json_target: Json = None,
) -> None:
    """Turn a checkpoint of NVIDIA/pix2pixHD into a run of ours, or a run of ours into the original's files.

    All tensors stay bitwise equal. The original's configuration is inferred from the keys and shapes of its networks
    and the opt.txt beside them, and printed; where these leave a choice, options decide.

    Examples:

        p2phd-eval convert checkpoints/label2city runs/label2city

        p2phd-eval convert runs/label2city checkpoints/label2city_back
    """
    from p2phd_eval.generators.original.checkpoint_folder import (
        is_original_folder,
        open_source,
        read_original,
        write_original,
        write_run,
    )

    output = Output(json_target)
    if is_original_folder(source):
        original = read_original(source, which_epoch=which_epoch or "latest", label_nc=label_nc, instances=instances)
        config, networks, sources, notes = original.config, original.networks, original.sources, original.notes
        files = [write_run(original, out), out / "config.json"]
    else:
        _, checkpoint = open_source(source, which_epoch=which_epoch, label_nc=label_nc, instances=instances)
        config, networks = checkpoint.config, checkpoint.networks
        sources, notes = {}, ()
        files = [*write_original(checkpoint, out)]
    values = config.to_dict()
    if sources:
        rows = tuple((setting, str(flat(values)[setting]), origin) for setting, origin in sources.items())
        output.table(ResultTable(title=str(source), columns=("setting", "value", "from"), rows=rows, notes=notes))
    output.document(
        document(
            "convert",
            source=str(source),
            files=[str(path) for path in files],
            networks={name: len(state) for name, state in networks.items()},
            config=values,
            sources=sources,
            notes=list(notes),
        )
    )
    output.note(f"{', '.join(networks)} written: {', '.join(str(path) for path in files)}")
