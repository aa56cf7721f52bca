"""Processes that load data: what goes wrong in them reaches the parent as what it is."""

import pickle
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader, Dataset

from p2phd_eval.cores import useful_processes
from p2phd_eval.errors import InputError
from p2phd_eval.interrupts import leave_interrupts_to_the_parent


class WorkerError(RuntimeError):
    """An exception that cannot travel between processes; its type and its message are in the text."""


class _WorkerTraceback(Exception):
    """Where in a worker an exception was raised, as text: the cause of what the parent raises."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass(frozen=True)
class _Failure:
    """An exception on its way to the parent: raised in a worker, it would arrive as text with the worker's traceback.

    An exception that pickle cannot make again, such as one that takes more than a message, travels as its text.
    """

    error: Exception
    trace: str

    def __reduce__(self) -> tuple[Any, ...]:
        error = self.error
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # whatever the exception's own code raises
            error = WorkerError(f"{type(error).__name__}: {error}")
        return _Failure, (error, self.trace)

    def raised(self) -> Exception:
        """Return what the parent raises; where the exception comes from another process, that one's traceback is its
        cause."""
        if self.error.__traceback__ is None:
            self.error.__cause__ = _WorkerTraceback(self.trace)
        return self.error


class _Guarded(Dataset[Any]):
    """A data set, and what to make of a batch of it, whose exceptions are values."""

    def __init__(self, dataset: Any, collate: Callable[[list[Any]], Any]) -> None:
        self._dataset, self._collate = dataset, collate

    def __getitem__(self, place: Any) -> Any:
        try:
            return self._dataset[place]
        except Exception as error:  # a worker's exceptions are its parent's to handle
            return _Failure(error, traceback.format_exc())

    def batch(self, items: list[Any]) -> Any:
        for item in items:
            if isinstance(item, _Failure):
                return item
        try:
            return self._collate(items)
        except Exception as error:
            return _Failure(error, traceback.format_exc())


def load_in_order(
    dataset: Any, batches: Any, collate: Callable[[list[Any]], Any], *, workers: int, pin_memory: bool
) -> Iterator[Any]:
    """Yield batches in order; worker processes make them ahead of time.

    Exceptions of the data set and of `collate` are raised here with their type and message, however many workers there
    are. Ctrl-C is the parent's to handle.

    Parameters
    ----------
    dataset : object
        With `__getitem__`, called with each element of a batch.
    batches : iterable of sequences
        Which elements make up each batch.
    collate : callable
        Makes a batch of a list of items.
    workers : int
        Processes, of which no more are started than the cores can use; 0: this one.
    pin_memory : bool
        Whether batches are put into page-locked memory.

    Raises
    ------
    InputError
        If a worker is killed, or the machine has no room for as many.
    """
    guarded = _Guarded(dataset, collate)
    workers = useful_processes(workers)
    loader: DataLoader[Any] = DataLoader(
        guarded,
        batch_sampler=batches,
        collate_fn=guarded.batch,
        num_workers=workers,
        worker_init_fn=leave_interrupts_to_the_parent,
        pin_memory=pin_memory,
    )
    iterator: Any = None
    batch: Any = None
    try:
        iterator = _asking_workers(lambda: iter(loader), workers)
        while (batch := _asking_workers(lambda: next(iterator, None), workers)) is not None:
            if isinstance(batch, _Failure):
                raise batch.raised()
            yield batch
    finally:
        # The exception keeps this frame. If the frame kept the workers, they would end with the next garbage
        # collection, when their pipes may be closed already, or in another process that was forked meanwhile.
        iterator = batch = None


def in_batches(places: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Yield consecutive batches of at most `size` places."""
    return (places[start : start + size] for start in range(0, len(places), size))


def _asking_workers(step: Callable[[], Any], workers: int) -> Any:
    try:
        return step()
    except (RuntimeError, OSError) as error:
        # All that a data set raises comes as a value, so this is about the processes themselves.
        if not workers:
            raise
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = lines[-1 if lines[0].startswith("Caught ") else 0]  # of the thread that pins memory
        raise InputError(
            f"{workers} loading processes",
            expected="them to run to the end",
            found=f"that one was killed ({reason.rstrip('.')})" if "DataLoader worker" in reason else reason,
            fix=_FIX,
        ) from error.with_traceback(None)  # whose frames keep the workers


_FIX = (
    "Often memory ran out, /dev/shm is too small, or too many files are open (ulimit -n). Pass fewer --workers, or 0, "
    "or give the container more."
)
