"""How long work says how far it is, without knowing who listens."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

#: Called with (done, total).
OnProgress = Callable[[int, int], None]

#: Opens the progress of one piece of work: (description, unit) to a context that gives an `OnProgress`.
ProgressFactory = Callable[[str, str], AbstractContextManager[OnProgress]]

#: Called with a sentence about what is going on.
Note = Callable[[str], None]


def unwatched(done: int, total: int) -> None:
    """An `OnProgress` for which nobody listens."""


def silent(description: str, unit: str) -> AbstractContextManager[OnProgress]:
    """A `ProgressFactory` for which nobody listens."""
    return nullcontext(unwatched)


def unheard(text: str) -> None:
    """A `Note` to which nobody listens."""


def part_of(on_progress: OnProgress, start: int, size: int, total: int) -> OnProgress:
    """Make the progress of one part of larger work, which takes the whole from `start` to `start + size`.

    `on_progress`: told how far the whole is. `start`, `size`, `total`: where the part begins, how much of the whole it
    is, and the whole.
    """
    return lambda done, of: on_progress(start + size * done // of, total)
