"""`p2phd-eval metrics`."""

import os
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Force, Json, ProtocolName, Seed
from p2phd_eval.commands.options.feature_network import with_feature_settings
from p2phd_eval.commands.options.places import path
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.report.console import Output


@with_feature_settings
def metrics(
    real: Annotated[
        os.PathLike[str],
        typer.Argument(parser=path, help="Real images: a folder, archive, list or features, as for `fid`."),
    ],
    fake: Annotated[os.PathLike[str], typer.Argument(parser=path, help="Generated images, likewise.")],
    settings: FeatureSettings,
    seed: Seed = 0,
    force: Force = False,
    protocol: ProtocolName = None,
    json_target: Json = None,
) -> None:
    """Compute FID, KID, FID-infinity, precision, recall, density and coverage of generated images; by CLIP also CMMD.

    Examples:

        p2phd-eval metrics real/ fake/ --json metrics.json

        p2phd-eval metrics real/ fake/ --feature-network clip --feature-weights clip-vit-large-patch14-336/
    """
    from p2phd_eval.evaluation.compute_metrics import compute_metrics
    from p2phd_eval.report.documents.metric_documents import metrics_document
    from p2phd_eval.report.tables.metric_tables import metrics_table

    output = Output(json_target)
    result = compute_metrics(
        real,
        fake,
        seed=seed,
        force=force,
        protocol=protocol,
        settings=settings,
        progress=output.progress,
        note=output.note,
    )
    output.table(metrics_table(result, str(real), str(fake)))
    output.document(metrics_document(result, str(real), str(fake)))
