"""`p2phd-eval cache list | clear`."""

from datetime import datetime, timezone

import typer

from p2phd_eval.commands.options.common import Json
from p2phd_eval.report.console import Output, ResultTable

app = typer.Typer(
    no_args_is_help=True, help="List or remove features, and parts of stored objects, kept between calls."
)


@app.command("list")
def list_(json_target: Json = None) -> None:
    """Show the feature sets of the cache, the last used first, and how much there is of objects of stores.

    Example:

        p2phd-eval cache list
    """
    from rich.filesize import decimal

    from p2phd_eval.features.cache.store import FeatureCache
    from p2phd_eval.report.documents.command_documents import CachedFeatures, CachedObjects, CacheListDocument
    from p2phd_eval.report.documents.document import from_result
    from p2phd_eval.stores.object_cache import cached_parts

    output = Output(json_target)
    cache = FeatureCache()
    entries = cache.entries()
    size = sum(entry.size for entry in entries)
    objects = cached_parts()
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
            notes=(
                f"{decimal(size)} in all",
                f"parts of objects of stores in {objects.folder}: {decimal(objects.size)} of at most "
                f"{decimal(objects.limit)}",
            ),
        )
    )
    output.document(
        CacheListDocument(
            folder=str(cache.folder),
            size=size,
            objects=from_result(CachedObjects, objects, folder=str(objects.folder)),
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
    """Remove kept features, counts of segmented photos and parts of objects; what is in use, and weights, stay.

    Example:

        p2phd-eval cache clear
    """
    from rich.filesize import decimal

    from p2phd_eval.features.cache.store import FeatureCache
    from p2phd_eval.report.documents.command_documents import CacheClearDocument
    from p2phd_eval.report.documents.document import from_result
    from p2phd_eval.segmentation.kept_counts import clear_counts
    from p2phd_eval.stores.object_cache import clear_parts

    output = Output(json_target)
    cache = FeatureCache()
    cleared = cache.clear()
    objects = clear_parts()
    counts = clear_counts()
    kept = f"; in use by other processes, and kept: {cleared.in_use}" if cleared.in_use else ""
    output.note(f"feature sets removed from {cache.folder}: {cleared.removed}, {decimal(cleared.freed)} freed{kept}")
    output.note(f"parts of objects of stores removed from {objects.folder}: {decimal(objects.size)} freed")
    output.note(f"counts of segmented photos removed from {counts.folder}: {decimal(counts.freed)} freed")
    output.document(from_result(CacheClearDocument, cleared, folder=str(cache.folder), objects_freed=objects.size))
