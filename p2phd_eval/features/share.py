"""One of the equal shares in which the images of a source are dealt out: 3 of 8, counted from 0."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from p2phd_eval.errors import InputError, shown

_FORM = re.compile(r"(\d{1,9})/(\d{1,9})")


@dataclass(frozen=True, order=True, kw_only=True)
class Share:
    """Share `index` of `count`: consecutive images, in the order of the shares, as equal in number as can be.

    It counts from 0, as the ranks of torchrun and the tasks of an array of Slurm do.
    """

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def rows(self, n: int) -> range:
        """Return which of n images are in it."""
        return range(n * self.index // self.count, n * (self.index + 1) // self.count)

    @classmethod
    def of(cls, given: Any) -> Share:
        """Return a share that is given as text, such as "0/8", or as two numbers.

        Raises `InputError` if it is none, or its index is not below its count.
        """
        try:
            pair = _FORM.fullmatch(given).groups() if isinstance(given, str) else given  # type: ignore[union-attr]
            index, count = (int(number) for number in pair)
        except (AttributeError, TypeError, ValueError):
            raise InputError(
                "--shard", expected="a share and their number, such as 0/8", found=shown(given), fix=_COUNTED
            ) from None
        if not 0 <= index < count:
            raise InputError(
                f"--shard {index}/{count}",
                expected=f"one of 0/{count} to {count - 1}/{count}" if count > 0 else "at least one share",
                found=f"{index}",
                fix=_COUNTED,
            )
        return cls(index=index, count=count)


_COUNTED = "Shares are counted from 0, as the tasks of `sbatch --array=0-7` and torchrun's ranks: 0/8, 1/8, ... 7/8."
