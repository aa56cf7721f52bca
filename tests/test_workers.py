"""Errors of processes that load data."""

from __future__ import annotations

import os
import signal

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.workers import WorkerError, load_in_order


class Awkward(Exception):
    """Cannot be made again from its message alone, as pickle would."""

    def __init__(self, row: int, column: int) -> None:
        super().__init__(f"at {row}, {column}")


class Data:
    """Raises what is asked for, or returns it."""

    def __getitem__(self, place: object) -> object:
        match place:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "wrong label":
                raise InputError("a.png", expected="a label", found="255", fix="Map it.")
            case "zero":
                raise ZeroDivisionError("nobody foresaw it")
            case "awkward":
                raise Awkward(3, 4)
        return place


def add(items: list[int]) -> int:
    if sum(items) == 13:
        raise InputError("sum", expected="luck", found="13", fix="Skip it.")
    return sum(items)


def load(*batches: list[object], workers: int) -> list[object]:
    return list(load_in_order(Data(), batches, add, workers=workers, pin_memory=False))


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_are_the_same_with_workers_and_without(workers: int) -> None:
    assert load([1, 2], [3], workers=workers) == [3, 3]
    with pytest.raises(InputError, match=r"^a\.png: expected a label, found 255") as caught:
        load([1], [2, "wrong label"], workers=workers)
    assert caught.value.fix == "Map it."
    with pytest.raises(InputError, match="sum: expected luck, found 13"):
        load([6, 7], workers=workers)
    with pytest.raises(ZeroDivisionError, match=r"^nobody foresaw it$"):
        load(["zero"], workers=workers)
    with pytest.raises(WorkerError if workers else Awkward, match="at 3, 4"):
        load(["awkward"], workers=workers)


def test_a_killed_worker_says_what_to_do() -> None:
    with pytest.raises(InputError, match=r"1 loading processes: .*that one was killed \(DataLoader worker") as caught:
        load(["kill"], workers=1)
    assert "Pass fewer --workers" in caught.value.fix
