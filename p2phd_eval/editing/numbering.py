"""Which number a new object takes: learned from maps, whose numbers mean something else in every data set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError

_DENSE = 4  # numbers below so many a pixel are counted faster than sorted; colours are larger
_PER_CLASS = 1000  # Cityscapes: object k of a class has the number 1000 * class + k
_MOST = 2**31 - 1  # of an instance map


@dataclass(frozen=True, kw_only=True)
class Numbering:
    """How a data set numbers its objects."""

    seen: frozenset[int] = frozenset()  # all classes of the maps
    counted: frozenset[int] = frozenset()  # classes whose objects have Cityscapes' numbers, 1000 * class + k
    shared: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))  # by class, the one number of it

    @classmethod
    def of(cls, maps: Iterable[tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]]) -> Numbering:
        """Learn it from label and instance maps.

        A class with one number in all of them is not counted, as road and sky are not: what is painted with it joins
        what is there. That number is the class's own, another class's too (0 for all that is no object), or one that
        several images agree in. A class with a number of Cityscapes' form is counted in that form; of any other, new
        objects get the largest number of the image and 1 more.
        """
        numbers: dict[int, set[int]] = defaultdict(set)
        images: dict[int, int] = defaultdict(int)
        for label, instance in maps:
            found = _pairs(label, instance)
            for each, number in found:
                numbers[each].add(number)
            for each in {each for each, _ in found}:
                images[each] += 1
        counted = frozenset(
            each for each, own in numbers.items() if any(n >= _PER_CLASS and n // _PER_CLASS == each for n in own)
        )
        shared = {}
        for each in numbers.keys() - counted:
            if len(numbers[each]) > 1:
                continue
            (number,) = numbers[each]
            of_others = any(number in own for other, own in numbers.items() if other != each)
            if number == each or of_others or images[each] > 1:
                shared[each] = number
        return cls(seen=frozenset(numbers), counted=counted, shared=MappingProxyType(shared))

    def new_number(self, label: int, taken: Set[int]) -> int:
        """Return the number for something new of a class: the class's one number, or one that is not taken.

        Raises `InputError` if all numbers of the class are taken.
        """
        if label in self.counted:
            first = label * _PER_CLASS
            for number in range(first, first + _PER_CLASS):
                if number not in taken:
                    return number
            raise InputError(
                "number", expected=f"at most {_PER_CLASS} objects of class {label} in an image", found="one more"
            )
        if label in self.shared:
            return self.shared[label]
        # A class that no map shows has its own number where others have theirs.
        others_have = bool(self.shared) and all(own == each for each, own in self.shared.items())
        if label not in self.seen and label not in taken and others_have:
            return label
        number = max(taken, default=-1) + 1
        if number > _MOST:
            raise InputError("number", expected=f"numbers up to {_MOST}", found="the largest of them taken")
        return number


def numbers_in(values: npt.NDArray[np.integer]) -> set[int]:
    """Return the numbers that a map holds."""
    if values.min() >= 0 and values.max() < _DENSE * values.size:
        return set(np.flatnonzero(np.bincount(values.ravel())).tolist())
    return set(np.unique(values).tolist())


def _pairs(label: npt.NDArray[np.integer], instance: npt.NDArray[np.integer]) -> set[tuple[int, int]]:
    """Return which numbers stand on which classes."""
    both = label.astype(np.int64) << 32 | instance.astype(np.uint32).astype(np.int64)
    begins = np.ones(both.shape, bool)  # of runs in a row: a hundredth of the pixels, which is quick to sort
    begins[:, 1:] = both[:, 1:] != both[:, :-1]
    return {(int(pair >> 32), int(np.int64(pair).astype(np.int32))) for pair in np.unique(both[begins])}
