"""`p2phd-eval features`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Json, ProtocolName
from p2phd_eval.commands.options.feature_network import with_feature_settings
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.report.console import Output, ResultTable


@with_feature_settings
def features(
    data: Annotated[Path, typer.Argument(help="Images: folder, .zip, .tar, shards or .txt list, as for `fid`.")],
    out: Annotated[Path, typer.Option("--out", help="File to write, .npz.")],
    settings: FeatureSettings,
    statistics: Annotated[
        bool,
        typer.Option(
            "--statistics", help="Write mean and covariance alone, as pytorch-fid does; memory is then constant."
        ),
    ] = False,
    protocol: ProtocolName = None,
    json_target: Json = None,
) -> None:
    """Compute the features of a set of images once, for `fid`, `compare` and `metrics`; on several machines too.

    Under torchrun each process takes an equal share of the images, and the first one writes.

    Examples:

        p2phd-eval features photos/ --out photos.npz

        torchrun --nproc-per-node 8 --no-python p2phd-eval features train.zip --out train.npz --statistics
    """
    from p2phd_eval.features.extract_features import extract_features
    from p2phd_eval.features.feature_set import FeatureSet
    from p2phd_eval.images.condition_ids import sample_counts
    from p2phd_eval.report.documents.command_documents import FeaturesDocument

    output = Output(json_target)
    found = extract_features(
        data,
        out,
        statistics=statistics,
        protocol=protocol,
        settings=settings,
        progress=output.progress,
        note=output.note,
    )
    if found is None or found.stamp is None:
        return  # the first rank tells
    kind = "mean and covariance" if statistics else "features"
    samples = sample_counts(found.ids) if isinstance(found, FeatureSet) else None
    output.table(
        ResultTable(
            title=f"{out}: {kind} of {data}",
            columns=("quantity", "value"),
            rows=(
                *((name, str(value)) for name, value in asdict(found.stamp).items()),
                *(() if samples is None else (("samples", str(samples)),)),
            ),
        )
    )
    output.document(FeaturesDocument(file=str(out), statistics=statistics, samples=samples, stamp=found.stamp))
