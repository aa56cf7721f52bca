"""`p2phd-eval features`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p2phd_eval.commands.options.common import (
    Cache,
    Device,
    Dims,
    Json,
    Plugin,
    Precision,
    ResizeMode,
    Weights,
    Workers,
)
from p2phd_eval.errors import InputError
from p2phd_eval.features.identity import FeaturePrecision, Resize
from p2phd_eval.report.console import Output, ResultTable
from p2phd_eval.report.documents import document

if TYPE_CHECKING:
    from p2phd_eval.distributed import Ranks
    from p2phd_eval.features.extraction import FeatureExtractor
    from p2phd_eval.features.feature_set import FeatureStamp
    from p2phd_eval.images.sources.source import ImageSource


def features(
    data: Annotated[Path, typer.Argument(help="Images: folder, .zip, .tar, shards or .txt list, as for `fid`.")],
    out: Annotated[Path, typer.Option("--out", help="File to write, .npz.")],
    statistics: Annotated[
        bool,
        typer.Option(
            "--statistics", help="Write mean and covariance alone, as pytorch-fid does; memory is then constant."
        ),
    ] = False,
    device: Device = None,
    json_target: Json = None,
    weights: Weights = None,
    resize: ResizeMode = Resize.LEGACY_PYTORCH,
    dims: Dims = 2048,
    precision: Precision = FeaturePrecision.FP32,
    plugin: Plugin = None,
    workers: Workers = None,
    cache: Cache = True,
) -> None:
    """Compute the features of a set of images once, for `fid`, `compare` and `metrics`; on several machines too.

    Under torchrun each process takes an equal share of the images, and the first one writes.

    Examples:

        p2phd-eval features photos/ --out photos.npz

        torchrun --nproc-per-node 8 -m p2phd_eval features train.zip --out train.npz --statistics
    """
    from p2phd_eval.images.sources.open import open_source

    # Cheap failures first: pytorch-fid knows statistics by this ending, and so does this tool.
    if out.suffix != ".npz":
        raise InputError("--out", expected="a file name ending in .npz", found=str(out))
    source = open_source(data)

    from p2phd_eval.devices import find_device
    from p2phd_eval.distributed import local_device, ranks_from_environment
    from p2phd_eval.features.extraction import FeatureExtractor, FeatureSettings

    torch_device = local_device(find_device(device))
    settings = FeatureSettings(
        weights=weights,
        plugin=plugin,
        resize=resize,
        dims=dims,
        precision=precision,
        device=str(torch_device),
        workers=workers,
        cache=cache,
    )
    with ranks_from_environment(torch_device) as ranks:
        output = Output(json_target, silent=not ranks.is_first)
        extractor = FeatureExtractor(settings, progress=output.progress, note=output.note)
        if statistics:
            stamp = _write_statistics(source, extractor, ranks, out)
        else:
            stamp = _write_features(source, extractor, ranks, out)
        if stamp is None:
            return
    kind = "mean and covariance" if statistics else "features"
    output.table(
        ResultTable(
            title=f"{out}: {kind} of {data}",
            columns=("quantity", "value"),
            rows=tuple((name, str(value)) for name, value in asdict(stamp).items()),
        )
    )
    output.document(document("features", file=str(out), statistics=statistics, stamp=asdict(stamp)))


def _write_features(source: ImageSource, extractor: FeatureExtractor, ranks: Ranks, out: Path) -> FeatureStamp | None:
    from p2phd_eval.features.sharding import sharded_features

    # One process alone may find them in the cache.
    found = extractor(source) if ranks.size == 1 else sharded_features(source, extractor, ranks)
    if found is None:
        return None
    found.save(out)
    return found.stamp


def _write_statistics(source: ImageSource, extractor: FeatureExtractor, ranks: Ranks, out: Path) -> FeatureStamp | None:
    from p2phd_eval.features.sharding import sharded_statistics
    from p2phd_eval.features.statistics import save_statistics

    found = sharded_statistics(source, extractor, ranks)
    if found is None:
        return None
    save_statistics(out, found.moments, found.stamp)
    return found.stamp
