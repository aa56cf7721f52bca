"""Where a command prints: results to stdout, progress and notes to stderr; rich on a terminal, plain in a pipe."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from p2phd_eval.files import json_text, write_json
from p2phd_eval.formatting import duration_text, one_line
from p2phd_eval.progress import OnProgress
from p2phd_eval.report.documents.document import Document

#: A cell that says nothing.
NOTHING = "-"

_PLAIN_SECONDS = 10.0  # between two progress lines in a pipe
_SENTENCE_WIDTH = 24  # characters of a line in which a cell can be read that is wrapped


@dataclass(frozen=True, kw_only=True)
class ResultTable:
    """A table of strings, with sentences below it; the first cell of a row says what the row is of."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()  # rich style of each row; none: plain


class Output:
    """The two streams of a command; names and other text that it is given reach them as `one_line` has them.

    `json_target`: `--json`: a file, or "-" for stdout, which then carries the JSON alone and tables go to stderr.
    `silent`: print and write nothing: for all processes but the first of those that share a command.
    """

    def __init__(self, json_target: str | None = None, *, silent: bool = False) -> None:
        self._json_target = None if silent else json_target
        self._silent = silent
        self._bar: Progress | None = None  # what a terminal shows while work is going on
        self._results = Console(stderr=json_target == "-", highlight=False, emoji=False, quiet=silent)
        self._notes = Console(stderr=True, highlight=False, emoji=False, quiet=silent)

    def note(self, *lines: str) -> None:
        """Print a line about what is going on, or several."""
        for line in lines:
            self._notes.print(one_line(line), markup=False, soft_wrap=True)

    def table(self, table: ResultTable) -> None:
        """Print a result: a rich table on a terminal, rows one below the other on a narrow one, tabs elsewhere."""
        if self._silent:
            return
        table = _shown(table)
        if not self._results.is_terminal:
            lines = [
                f"# {table.title}",
                "\t".join(table.columns),
                *("\t".join(row) for row in table.rows),
                *table.notes,
            ]
            # Past rich, which would turn the tabs into spaces.
            self._results.file.write("".join(f"{line}\n" for line in lines))
            return
        draw = _boxed if _fits(table, self._results.width) else _stacked
        self._results.print(draw(table))
        for line in table.notes:
            self._results.print(line, markup=False)

    def document(self, document: Document) -> None:
        """Write the machine-readable result where `--json` says."""
        if self._json_target == "-":
            sys.stdout.write(json_text(document.to_builtins()))
        elif self._json_target is not None:
            write_json(self._json_target, document.to_builtins())

    @contextmanager
    def progress(self, description: str, unit: str) -> Iterator[OnProgress]:
        """Show the progress of one piece of work: a bar with rate and time left, or a line every ten seconds.

        Yields
        ------
        callable
            To be called with (done, total), in units.
        """
        if not self._notes.is_terminal:
            yield _PlainProgress(description, unit, self.note)
            return
        description = one_line(description)
        if self._bar is not None:
            # A terminal shows one set of bars at a time: work inside of other work gets a bar below.
            with self._task(self._bar, description, unit, stays=False) as on_progress:
                yield on_progress
            return
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            _AmountColumn(),
            _RateColumn(),
            TimeRemainingColumn(),
            console=self._notes,
        )
        try:
            with self._bar, self._task(self._bar, description, unit, stays=True) as on_progress:
                yield on_progress
        finally:
            self._bar = None

    @contextmanager
    def _task(self, bar: Progress, description: str, unit: str, *, stays: bool) -> Iterator[OnProgress]:
        # Work that turns out to be done already never calls back and shows no bar.
        task = bar.add_task(description, total=None, visible=False, unit=unit)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)
        if not stays:
            bar.remove_task(task)


def _shown(table: ResultTable) -> ResultTable:
    """A table whose rows stay rows, whatever is in their cells."""
    return replace(
        table,
        title=one_line(table.title),
        columns=tuple(map(one_line, table.columns)),
        rows=tuple(tuple(map(one_line, row)) for row in table.rows),
        notes=tuple(map(one_line, table.notes)),
    )


def _fits(table: ResultTable, width: int) -> bool:
    """Whether all columns fit side by side; the widest one may be wrapped, to lines that can be read."""
    columns = zip(table.columns, *table.rows, strict=True)
    *others, widest = sorted(max(map(cell_len, column)) for column in columns)
    frame = 3 * len(table.columns) + 1
    return frame + sum(others) + min(widest, _SENTENCE_WIDTH) <= width


def _boxed(table: ResultTable) -> Table:
    drawn = Table(title=Text(table.title), title_justify="left", title_style="bold")
    for i, column in enumerate(table.columns):
        drawn.add_column(Text(column), justify="left" if i == 0 else "right")
    for row, style in zip(table.rows, _styles(table), strict=True):
        drawn.add_row(*(Text(cell) for cell in row), style=style)
    return drawn


def _stacked(table: ResultTable) -> Table:
    """A block for each row: its first cell, and below it a line for each other one that says something."""
    drawn = Table.grid(padding=(0, 2, 0, 0))
    drawn.title, drawn.title_justify, drawn.title_style = Text(table.title), "left", "bold"
    for row, style in zip(table.rows, _styles(table), strict=True):
        drawn.add_row(Text(table.columns[0]), Text(row[0], style="bold"), style=style)
        for column, cell in zip(table.columns[1:], row[1:], strict=True):
            if cell != NOTHING:
                drawn.add_row(Text(f"  {column}:"), Text(cell), style=style)
    return drawn


def _styles(table: ResultTable) -> Sequence[str]:
    return table.styles or [""] * len(table.rows)


class _AmountColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        total = int(task.total or 0)
        if task.fields["unit"] == "bytes":
            return Text(f"{decimal(int(task.completed))}/{decimal(total)}")
        return Text(f"{int(task.completed)}/{total}")


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed, unit = task.finished_speed or task.speed, task.fields["unit"]
        if not speed or unit == "%":
            return Text("")
        return Text(f"{decimal(int(speed))}/s" if unit == "bytes" else f"{speed:.3g} {unit}/s")


class _PlainProgress:
    def __init__(self, description: str, unit: str, say: Callable[[str], None]) -> None:
        self._description, self._say = one_line(description), say
        self._unit, self._size = ("MB", 1e6) if unit == "bytes" else (unit, 1.0)
        self._start = self._last = time.monotonic()
        self._first: int | None = None
        self._finished = False

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = done  # finished by an earlier call; not part of this one's rate
        if self._finished or (done < total and now - self._last < _PLAIN_SECONDS):
            return
        self._finished = done >= total
        self._last = now
        rate = (done - self._first) / max(now - self._start, 1e-9)
        left = f", {duration_text((total - done) / rate)} left" if rate > 0 and done < total else ""
        speed = f", {rate / self._size:.3g} {self._unit}/s" if rate > 0 and self._unit != "%" else ""
        self._say(f"{self._description}: {done / self._size:.0f}/{total / self._size:.0f} {self._unit}{speed}{left}")
