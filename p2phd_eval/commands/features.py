"""`p2phd-eval features` and `p2phd-eval features merge`."""

from __future__ import annotations

import os
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p2phd_eval.commands.options.common import Json, ProtocolName
from p2phd_eval.commands.options.feature_network import with_feature_settings
from p2phd_eval.commands.options.places import file_to_write, path
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.report.console import Output, ResultTable

if TYPE_CHECKING:
    from p2phd_eval.features.feature_set import FeatureSet
    from p2phd_eval.features.statistics import Statistics


class FeaturesExecutor(str, Enum):
    """Who computes features."""

    LOCAL = "local"
    RAY = "ray"


FeaturesFile = Annotated[
    os.PathLike[str],
    typer.Option(
        "--out",
        parser=path,
        callback=file_to_write(".npz"),
        metavar="FILE.npz",
        help="File to write, here or in a store (s3://...).",
    ),
]


@with_feature_settings
def features(
    data: Annotated[
        os.PathLike[str],
        typer.Argument(parser=path, help="Images: folder, .zip, .tar, shards or .txt list, as for `fid`."),
    ],
    out: FeaturesFile,
    settings: FeatureSettings,
    statistics: Annotated[
        bool,
        typer.Option(
            "--statistics", help="Write mean and covariance alone, as pytorch-fid does; memory is then constant."
        ),
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="i/n",
            help="Take the i-th of n equal shares of the images alone, 0/n to (n-1)/n; see `features merge`.",
        ),
    ] = None,
    executor: Annotated[
        FeaturesExecutor, typer.Option("--executor", help="Who computes: this machine, or the actors of a Ray cluster.")
    ] = FeaturesExecutor.LOCAL,
    executor_options: Annotated[
        list[str] | None,
        typer.Option(
            "--executor-option",
            metavar="KEY=VALUE",
            help="For Ray, may be repeated: address of the cluster; gpus and cpus of an actor; at_once, the most "
            "actors; block, images that are lost with one.",
        ),
    ] = None,
    protocol: ProtocolName = None,
    json_target: Json = None,
) -> None:
    """Compute the features of a set of images once, for `fid`, `compare` and `metrics`; on several machines too.

    Under torchrun each process takes an equal share of the images, and the first one writes. Any other scheduler starts
    a command for each share, and `p2phd-eval features merge` puts their files together.

    Examples:

        p2phd-eval features photos/ --out photos.npz

        torchrun --nproc-per-node 8 --no-python p2phd-eval features train.zip --out train.npz --statistics

        p2phd-eval features train.zip --shard $SLURM_ARRAY_TASK_ID/8 --out part-$SLURM_ARRAY_TASK_ID.npz

        p2phd-eval features "s3://bucket/train-{000..099}.tar" --out s3://bucket/train.npz

        p2phd-eval features /data/train.zip --executor ray --executor-option address=head:6379 --out train.npz
    """
    from p2phd_eval.executor_options import parse_options
    from p2phd_eval.features.extract_features import extract_features

    output = Output(json_target)
    found = extract_features(
        data,
        out,
        statistics=statistics,
        shard=shard,
        executor=executor.value,
        executor_options=parse_options(executor_options or ()),
        protocol=protocol,
        settings=settings,
        progress=output.progress,
        note=output.note,
    )
    if found is not None:  # the first rank tells
        _tell(found, out, output, shard)


def merge(
    parts: Annotated[
        list[Path],  # or of addresses: typer knows no list of what has parameters itself
        typer.Argument(parser=path, metavar="PART", help="The files of all shares, in any order."),
    ],
    out: FeaturesFile,
    json_target: Json = None,
) -> None:
    """Put the parts of `features --shard` together: features in the order of the images, or merged moments.

    Examples:

        p2phd-eval features merge part-*.npz --out train.npz
    """
    from p2phd_eval.features.merge_features import merge_features

    output = Output(json_target)
    _tell(merge_features(parts, out), out, output)


def _tell(found: FeatureSet | Statistics, out: os.PathLike[str], output: Output, shard: str | None = None) -> None:
    from p2phd_eval.features.feature_set import FeatureSet
    from p2phd_eval.images.condition_ids import sample_counts
    from p2phd_eval.report.documents.command_documents import FeaturesDocument

    assert found.stamp is not None  # who computes features says how
    statistics = not isinstance(found, FeatureSet)
    # Those of a share may be cut off at its ends.
    samples = sample_counts(found.ids) if isinstance(found, FeatureSet) and shard is None else None
    kind = "mean and covariance" if statistics else "features"
    share = "" if shard is None else f"share {shard} of "
    output.table(
        ResultTable(
            title=f"{out}: {kind} of {share}{found.stamp.source}",
            columns=("quantity", "value"),
            rows=(
                *((name, str(value)) for name, value in asdict(found.stamp).items()),
                *(() if samples is None else (("samples", str(samples)),)),
            ),
        )
    )
    output.document(
        FeaturesDocument(file=str(out), statistics=statistics, shard=shard, samples=samples, stamp=found.stamp)
    )
