"""`p2phd-eval convert`."""

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Instances, Json, LabelNc, WhichEpoch
from p2phd_eval.commands.options.places import folder_to_write
from p2phd_eval.config import flat
from p2phd_eval.report.console import Output, ResultTable


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder of the original (latest_net_G.pth, _D, _E), or a run folder or checkpoint of ours."
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            callback=folder_to_write, help="Run folder to write, or the original's folder where SOURCE is ours."
        ),
    ],
    which_epoch: WhichEpoch = None,
    label_nc: LabelNc = None,
    instances: Instances = None,
    json_target: Json = None,
) -> None:
    """Turn a checkpoint of NVIDIA/pix2pixHD into a run, or a run into the original's files.

    All tensors stay bitwise equal. The original's configuration is inferred from the keys and shapes of its networks
    and the opt.txt beside them, and printed; where these leave a choice, options decide.

    Examples:

        p2phd-eval convert checkpoints/label2city runs/label2city

        p2phd-eval convert runs/label2city checkpoints/label2city_back
    """
    from p2phd_eval.generators.original.conversion import convert as run_conversion
    from p2phd_eval.report.documents.command_documents import ConvertDocument
    from p2phd_eval.report.documents.document import from_result

    output = Output(json_target)
    result = run_conversion(source, out, which_epoch=which_epoch, label_nc=label_nc, instances=instances)
    files, values = [str(path) for path in result.files], result.config.to_dict()
    if result.sources:
        settings = flat(values)
        rows = tuple((setting, str(settings[setting]), origin) for setting, origin in result.sources.items())
        output.table(
            ResultTable(title=str(source), columns=("setting", "value", "from"), rows=rows, notes=result.notes)
        )
    output.document(from_result(ConvertDocument, result, source=str(source), files=tuple(files), config=values))
    output.note(f"{', '.join(result.networks)} written: {', '.join(files)}")
