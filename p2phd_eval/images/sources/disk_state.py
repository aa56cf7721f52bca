"""Files as they are now, on disk or in a store, to notice whether they change while they are read."""

from collections.abc import Iterable, Mapping

from p2phd_eval.images.sources.source import Mark
from p2phd_eval.stores.store_path import AnyPath, StorePath, all_pinned

_NAMED = 3

#: For each file that is there its size in bytes and its time of modification in nanoseconds, or its version in a store.
DiskState = Mapping[str, tuple[int, int | str]]


def disk_state(files: Iterable[tuple[str, AnyPath]]) -> DiskState:
    """Return size and time of modification of (name, path) pairs, without those that are missing."""
    pairs = list(files)
    found: dict[str, tuple[int, int | str]] = {}
    for (name, _), path in zip(pairs, all_pinned(path for _, path in pairs), strict=True):
        if isinstance(path, StorePath):
            if (state := path.state()) is not None:
                found[name] = (state.size, state.version)
            continue
        try:
            status = path.stat()
        except OSError:
            continue
        found[name] = (status.st_size, status.st_mtime_ns)
    return found


def describe_change(before: DiskState, after: DiskState) -> str | None:
    """Return a phrase such as "1 file (b.png) added, 2 files (a.png, c.png) rewritten", or None for no change."""
    changes = {
        "added": [name for name in after if name not in before],
        "removed": [name for name in before if name not in after],
        "rewritten": [name for name in before if name in after and after[name] != before[name]],
    }
    phrases = [f"{few(names, 'file')} {what}" for what, names in changes.items() if names]
    return ", ".join(phrases) or None


def marks_of(state: DiskState) -> list[Mark]:
    """Return what tells files' contents from others, in the order of their names; see `ImageSource.content_marks`."""
    # A file that was copied to another machine has another time of modification; an object is the same for all.
    return [size if isinstance(version, int) else f"{size} {version}" for _, (size, version) in sorted(state.items())]


def few(names: Iterable[str], noun: str) -> str:
    """Return a count with the first names, such as "5 files (a.png, b.png, c.png, ...)"."""
    every = sorted(names)
    shown = ", ".join(every[:_NAMED]) + (", ..." if len(every) > _NAMED else "")
    return f"{len(every)} {noun}{'' if len(every) == 1 else 's'} ({shown})"
