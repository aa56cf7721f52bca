"""`p2phd-eval cache list | clear`."""

from datetime import datetime, timezone

import typer

from p2phd_eval.commands.options.common import Json
from p2phd_eval.report.console import Output, ResultTable

app = typer.Typer(no_args_is_help=True, help="List or remove the features that are kept between calls.")


@app.command("list")
def list_(json_target: Json = None) -> None:
    """Show the feature sets of the cache, the last used first.

    Example:

        p2phd-eval cache list
    """
    from rich.filesize import decimal

    from p2phd_eval.features.cache.store import FeatureCache
    from p2phd_eval.report.documents.command_documents import CachedFeatures, CacheListDocument
    from p2phd_eval.report.documents.document import from_result

    output = Output(json_target)
    cache = FeatureCache()
    entries = cache.entries()
    size = sum(entry.size for entry in entries)
    output.table(
        ResultTable(
            title=f"Features in {cache.folder}",
            columns=("source", "images", "network", "resize", "dims", "dtype", "size", "last used"),
            rows=tuple(
                (
                    entry.source,
                    str(entry.n),
                    entry.weights,
                    entry.resize,
                    str(entry.dims),
                    entry.dtype,
                    decimal(entry.size),
                    datetime.fromtimestamp(entry.last_used).strftime("%Y-%m-%d %H:%M"),
                )
                for entry in entries
            ),
            notes=(f"{decimal(size)} in all",),
        )
    )
    output.document(
        CacheListDocument(
            folder=str(cache.folder),
            size=size,
            entries=tuple(
                from_result(
                    CachedFeatures, entry, last_used=datetime.fromtimestamp(entry.last_used, timezone.utc).isoformat()
                )
                for entry in entries
            ),
        )
    )


@app.command()
def clear(json_target: Json = None) -> None:
    """Remove all kept features, but for those that another process is computing; weights stay.

    Example:

        p2phd-eval cache clear
    """
    from rich.filesize import decimal

    from p2phd_eval.features.cache.store import FeatureCache
    from p2phd_eval.report.documents.command_documents import CacheClearDocument
    from p2phd_eval.report.documents.document import from_result

    output = Output(json_target)
    cache = FeatureCache()
    cleared = cache.clear()
    kept = f"; in use by other processes, and kept: {cleared.in_use}" if cleared.in_use else ""
    output.note(f"feature sets removed from {cache.folder}: {cleared.removed}, {decimal(cleared.freed)} freed{kept}")
    output.document(from_result(CacheClearDocument, cleared, folder=str(cache.folder)))
