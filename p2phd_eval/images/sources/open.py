"""From a path that the user gave to the source of its images."""

import os

from p2phd_eval.errors import InputError
from p2phd_eval.images.names import IMAGE_ENDINGS, is_hidden
from p2phd_eval.images.result_kinds import KIND_MARK, is_kind
from p2phd_eval.images.sources.file_list import ListSource
from p2phd_eval.images.sources.folder import FolderSource
from p2phd_eval.images.sources.manifest_lines import MANIFEST_LINES, ManifestSource
from p2phd_eval.images.sources.shards import ShardsSource, expand_shards
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.images.sources.tar_archive import TAR_ENDINGS, TarSource
from p2phd_eval.images.sources.zip_archive import ZipSource
from p2phd_eval.stores.store_path import AnyPath, StorePath, as_path, pinned

_TAKEN = (
    f"a folder of images, a zip archive (.zip), a tar archive ({', '.join(TAR_ENDINGS)}), webdataset shards "
    "(a folder of .tar files, or a pattern such as train-{000000..000009}.tar), a list of image files (.txt), "
    "or a manifest of their conditions and seeds (.jsonl)"
)


def open_source(path: str | os.PathLike[str], *, field: str | None = None, generated: bool = True) -> ImageSource:
    """Return the source of the images at a path.

    Parameters
    ----------
    path : path-like
        A folder, a zip or tar archive, webdataset shards, a text file that lists images, one path a line, or a manifest
        of JSON lines that gives each its condition and seed (see `ManifestSource`). A folder with a ``manifest.jsonl``
        is what that says. A folder that holds .tar files, and neither images nor folders beside them, is one of shards.
        A field may follow, as in ``shards::photo.png``, and a kind of results, as in ``results/images::fake_B``.
        Any of these may lie in a store, such as ``s3://bucket/train-{000..009}.tar``; see docs/object-stores.md.
    field : str, optional
        Which image of a webdataset sample, such as "photo.png"; it makes a single tar archive a shard. Or which kind of
        results: see `p2phd_eval.images.result_kinds`.
    generated : bool
        Of results in which samples lie beside their inputs and photos, take the samples. If not, they are refused
        unless the kind is given: for real images, and for label maps.

    Returns
    -------
    ImageSource

    Raises
    ------
    InputError
        If nothing is there, it is none of these, or it cannot be read as what it is.
    """
    given = pinned(as_path(path))
    whole = given.url if isinstance(given, StorePath) else str(given)
    if field is None and KIND_MARK in whole and not given.exists():
        place, _, field = whole.rpartition(KIND_MARK)
        given = pinned(as_path(place))
    shards = _shards(given)
    kind = field if field is not None and is_kind(field) else None
    if shards:
        return ShardsSource(
            str(given), shards, field=None if kind is not None else field, kind=kind, generated=generated
        )
    ending = given.name.lower()
    if field is not None and kind is None:
        if given.is_file() and ending.endswith(TAR_ENDINGS):
            return ShardsSource(str(given), (given,), field=field)
        raise InputError(str(given), expected=f"webdataset shards, to choose the field {field!r}", found=_found(given))
    if given.is_dir():
        if kind is None and (given / MANIFEST_LINES).is_file():
            return ManifestSource(given / MANIFEST_LINES, whole=True)
        return FolderSource(given, kind=kind, generated=generated)
    if given.is_file():
        if ending.endswith(".zip"):
            return ZipSource(given, kind=kind, generated=generated)
        if ending.endswith(TAR_ENDINGS):
            return TarSource(given, kind=kind, generated=generated)
        if ending.endswith(".txt"):
            return ListSource(given, kind=kind, generated=generated)
        if ending.endswith(".jsonl"):
            return ManifestSource(given)
    raise InputError(str(given), expected=_TAKEN, found=_found(given), fix=_fix(given))


def _shards(given: AnyPath) -> tuple[AnyPath, ...]:
    if given.is_dir():
        try:
            entries = [entry for entry in given.iterdir() if not is_hidden(entry.name)]
        except OSError:
            return ()  # FolderSource says what is wrong
        if any(entry.is_dir() or entry.suffix.lower() in IMAGE_ENDINGS for entry in entries):
            return ()
        return tuple(entry for entry in entries if entry.suffix.lower() == ".tar")
    whole = given.url if isinstance(given, StorePath) else str(given)
    return () if given.exists() else expand_shards(whole)


def _found(given: AnyPath) -> str:
    if given.is_dir():
        return "a folder of other files"
    return f"a file ending in {given.suffix or 'nothing'}" if given.exists() else "nothing there"


def _fix(given: AnyPath) -> str:
    if isinstance(given, StorePath) and given.url.startswith("http"):
        return "Of web servers give an archive, a list or a manifest by its address: they list no folders."
    if given.suffix.lower() in IMAGE_ENDINGS and given.is_file():
        return "Give the folder that holds the images."
    return "Check the path." if not given.exists() else "Give one of these."
