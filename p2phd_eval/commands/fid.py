"""`p2phd-eval fid`."""

import os
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import (
    ClusterBy,
    Confidence,
    Force,
    Json,
    ProtocolName,
    Reference,
    Replicates,
    Seed,
)
from p2phd_eval.commands.options.feature_network import with_feature_settings
from p2phd_eval.commands.options.places import path
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.report.console import Output


@with_feature_settings
def fid(
    real: Annotated[os.PathLike[str], typer.Argument(parser=path, help="Real images, in any of these forms.")],
    fake: Annotated[os.PathLike[str], typer.Argument(parser=path, help="Generated images, likewise.")],
    settings: FeatureSettings,
    reference: Reference = None,
    confidence: Confidence = 0.95,
    cluster_by: ClusterBy = None,
    replicates: Replicates = None,
    seed: Seed = 0,
    force: Force = False,
    protocol: ProtocolName = None,
    json_target: Json = None,
) -> None:
    """Compute the FID of two sets of images, its standard error, and an interval where one can be had.

    Each set is a folder (subfolders are read too), a .zip or .tar, webdataset shards ("train-{000000..000009}.tar"), a
    .txt list of files, features of `p2phd-eval features` (.npz), or statistics `mu` and `sigma` of any FID tool
    (.npz, .pt), for which no standard error can be had. All of these may lie in an object store: s3://, gs://, hf://,
    https://.

    With --reference the block FID stands beside it, which has an interval where the FID has too few images for one.

    Examples:

        p2phd-eval fid real/ fake/ --json fid.json

        p2phd-eval fid real.npz fake.zip --resize legacy-tensorflow

        p2phd-eval fid real/ fake/ --cluster-by cityscapes-city

        p2phd-eval fid test_img/ fake/ --reference train_img/

        p2phd-eval fid leftImg8bit/val fake/ --protocol spade-cityscapes
    """
    from p2phd_eval.evaluation.compute_fid import compute_fid
    from p2phd_eval.evaluation.fid_of_moments import StatisticsFidResult
    from p2phd_eval.report.documents.metric_documents import fid_document, statistics_document
    from p2phd_eval.report.tables.metric_tables import fid_table, statistics_table

    output = Output(json_target)
    result = compute_fid(
        real,
        fake,
        reference=reference,
        confidence=confidence,
        cluster_by=cluster_by,
        replicates=replicates,
        seed=seed,
        force=force,
        protocol=protocol,
        settings=settings,
        progress=output.progress,
        note=output.note,
    )
    if isinstance(result, StatisticsFidResult):
        output.table(statistics_table(result, str(real), str(fake)))
        output.document(statistics_document(result, str(real), str(fake)))
    else:
        output.table(fid_table(result, str(real), str(fake)))
        output.document(fid_document(result, str(real), str(fake)))
