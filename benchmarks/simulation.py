"""What the simulations of verdicts share: cells of repeated studies, each of which is drawn once, and their summary."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from measuring import describe_machine, kept, today

from p2phd_eval.files import write_json

Rates = dict[str, float]


class Named(Protocol):
    """How studies are drawn."""

    @property
    def name(self) -> str:
        """What the cell is called; its random numbers follow from it."""
        ...


C = TypeVar("C", bound=Named)


def simulated(
    cells: Iterable[C], repeat: Callable[[C, np.random.Generator], Counter[str]], *, work: Path, repeats: int
) -> dict[str, Rates]:
    """Return the rates of each cell, in per cent of its repeats; one that stands in the folder is not drawn again."""
    work.mkdir(parents=True, exist_ok=True)
    found: dict[str, Rates] = {}
    for cell in cells:
        found[cell.name] = kept(work / f"{cell.name}-r{repeats}.json", partial(_rates, cell, repeat, repeats))
        print(cell.name, {name: rate for name, rate in found[cell.name].items() if "too" not in name}, flush=True)
    return found


def _rates(cell: C, repeat: Callable[[C, np.random.Generator], Counter[str]], repeats: int) -> Rates:
    rng = np.random.default_rng(zlib.crc32(cell.name.encode()))
    total: Counter[str] = Counter()
    for _ in range(repeats):
        total.update(repeat(cell, rng))
    return {name: 100 * number / repeats for name, number in sorted(total.items())}


def worst_and_mean(found: Mapping[str, Rates], counts: Callable[[str], bool]) -> dict[str, dict[str, object]]:
    """Return the worst cell and the mean of each rate whose name counts."""
    result: dict[str, dict[str, object]] = {}
    for name in sorted({name for rates in found.values() for name in rates if counts(name)}):
        rates = {cell: each[name] for cell, each in found.items() if name in each}
        worst = max(rates, key=lambda cell: rates[cell])
        result[name] = {"worst": rates[worst], "cell": worst, "mean": round(float(np.mean(list(rates.values()))), 2)}
    return result


def write_rates(table: Path | None, script: str, *, repeats: int, **found: Any) -> None:
    """Write what was found, with the script that found it, if there is a file to write it to."""
    if table is not None:
        head = {
            "date": today(),
            "machine": describe_machine(),
            "command": f"python benchmarks/{script} --work DIR --table FILE",
            "repeats": repeats,
        }
        write_json(table, {**head, **found})
