"""`p2phd-eval weights list | fetch | verify`."""

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Json
from p2phd_eval.report.console import Output, ResultTable

app = typer.Typer(no_args_is_help=True, help="Find, fetch and check the weights of the FID network.")


@app.command("list")
def list_(json_target: Json = None) -> None:
    """Show where the weights are looked for, in order; nothing is downloaded.

    Example:

        p2phd-eval weights list
    """
    from p2phd_eval.features.weights.find import list_sources
    from p2phd_eval.report.documents.command_documents import WeightsListDocument, WeightsPlace
    from p2phd_eval.report.documents.document import from_result

    output = Output(json_target)
    sources = list_sources()
    output.table(
        ResultTable(
            title="FID Inception weights, in the order in which they are looked for",
            columns=("source", "there", "where", "note"),
            rows=tuple(
                (source.name, "yes" if source.available else "no", source.location, source.note) for source in sources
            ),
        )
    )
    output.document(WeightsListDocument(sources=tuple(from_result(WeightsPlace, source) for source in sources)))


@app.command()
def fetch(json_target: Json = None) -> None:
    """Download the weights to the cache and verify them; done already, it does nothing.

    Example:

        p2phd-eval weights fetch
    """
    from p2phd_eval.features.weights.find import fetch_weights
    from p2phd_eval.report.documents.command_documents import WeightsFetchDocument

    output = Output(json_target)
    with output.progress("fetch Inception weights", "bytes") as on_progress:
        weights = fetch_weights(on_progress=on_progress)
    output.note(f"{weights.name} from {weights.source}: {weights.path}")
    output.document(WeightsFetchDocument(path=str(weights.path), source=weights.source, weights_sha256=weights.sha256))


@app.command()
def verify(
    weights: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="File to check. Default: the one that fid would use.")
    ] = None,
    json_target: Json = None,
) -> None:
    """Check the weights' hashes, layers and the features they give. Exit code 2 if they are not FID's.

    Example:

        p2phd-eval weights verify
    """
    from p2phd_eval.features.networks.weights_check import verify_weights
    from p2phd_eval.features.weights.find import find_weights
    from p2phd_eval.report.documents.command_documents import WeightsVerifyDocument
    from p2phd_eval.report.documents.document import from_result

    output = Output(json_target)
    with output.progress("fetch Inception weights", "bytes") as on_progress:
        found = find_weights(weights, on_progress=on_progress)
    report = verify_weights(found)
    output.table(
        ResultTable(
            title=str(found.path),
            columns=("check", "result"),
            rows=(
                ("weights", found.name),
                ("source", found.source),
                ("SHA-256 of the file", report.file_sha256),
                ("SHA-256 of the tensors", found.sha256),
                ("layers", str(report.layers)),
                ("FID's weights", "yes" if report.standard else "no"),
                (
                    "relative error of the features",
                    f"{report.feature_error:.1e} (at most {report.feature_tolerance:g})",
                ),
                ("verdict", "good" if report.ok else "not FID's: results do not compare with published ones"),
            ),
        )
    )
    found_file = {"path": str(found.path), "source": found.source, "weights_sha256": found.sha256}
    output.document(from_result(WeightsVerifyDocument, report, **found_file))
    if not report.ok:
        raise typer.Exit(2)
