"""`p2phd-eval encode cluster` and `p2phd-eval encode precompute`."""

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Device, Instances, Json, LabelNc, Phase, Source, WhichEpoch
from p2phd_eval.commands.options.places import file_to_write
from p2phd_eval.report.console import Output, ResultTable

app = typer.Typer(
    no_args_is_help=True, help="Encode photos, for a model with an encoder: clusters to sample from, or feature maps."
)

Photos = Annotated[Path, typer.Argument(metavar="DATA", help="Data set with photos.")]


@app.command()
def cluster(
    source: Source,
    data: Photos,
    n_clusters: Annotated[int, typer.Option("--clusters", min=1, help="Clusters of each class, at most.")] = 10,
    phase: Phase = "train",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.npz",
            callback=file_to_write(".npz"),
            help="File to write. Default: RUN/clusters.npz.",
        ),
    ] = None,
    which_epoch: WhichEpoch = None,
    label_nc: LabelNc = None,
    instances: Instances = None,
    device: Device = None,
    json_target: Json = None,
) -> None:
    """Encode all photos and cluster the features of their regions by class: styles for `generate`.

    Example:

        p2phd-eval encode cluster runs/512p-feat DATA
    """
    from p2phd_eval.generators.sampling.styles import cluster_styles
    from p2phd_eval.report.documents.command_documents import ClassClusters, ClusterDocument

    output = Output(json_target)
    target, clusters = cluster_styles(
        source,
        data,
        out=out,
        phase=phase,
        n_clusters=n_clusters,
        which_epoch=which_epoch,
        label_nc=label_nc,
        instances=instances,
        device=device,
        progress=output.progress,
        note=output.note,
    )
    found = {label: len(centres) for label, centres in clusters.centres.items()}
    output.table(
        ResultTable(
            title=f"{target}: up to {n_clusters} clusters of each class",
            columns=("class", "regions", "clusters"),
            rows=tuple((str(label), str(clusters.regions[label]), str(k)) for label, k in found.items()),
            notes=("Regions of more than 1/64 of an image count; other classes are sampled with features of 0.",),
        )
    )
    output.document(
        ClusterDocument(
            file=str(target),
            checkpoint_sha256=clusters.checkpoint_sha256,
            phase=phase,
            n_clusters=n_clusters,
            classes=tuple(
                ClassClusters(label=label, regions=clusters.regions[label], clusters=k) for label, k in found.items()
            ),
        )
    )


@app.command()
def precompute(
    source: Source,
    data: Photos,
    phase: Phase = "train",
    which_epoch: WhichEpoch = None,
    label_nc: LabelNc = None,
    instances: Instances = None,
    device: Device = None,
    json_target: Json = None,
) -> None:
    """Encode all photos and write their feature maps to DATA/PHASE_feat, for `train --load-features`.

    Finished maps are kept, so an interrupted call goes on where it stopped; those of files that changed are made again.

    Example:

        p2phd-eval encode precompute runs/512p-feat DATA
    """
    from p2phd_eval.generators.sampling.feature_maps import precompute as run_precompute
    from p2phd_eval.report.documents.command_documents import PrecomputeDocument
    from p2phd_eval.report.documents.document import from_result

    output = Output(json_target)
    result = run_precompute(
        source,
        data,
        phase=phase,
        which_epoch=which_epoch,
        label_nc=label_nc,
        instances=instances,
        device=device,
        progress=output.progress,
        note=output.note,
    )
    output.document(from_result(PrecomputeDocument, result, folder=str(result.folder)))
    output.note(f"{result.written} feature maps written to {result.folder}, {result.kept} kept from before.")
