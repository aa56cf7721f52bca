"""Label maps with a palette whose numbers are colours of an editor, not classes."""

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

Colour = tuple[int, ...]  # red, green and blue in [0, 255]


class PaletteCheck:
    """Holds the palettes of label maps against each other: one number, one colour.

    A colour picture that is saved with a palette numbers its colours as it likes, so that a class has another number in
    each file. One check sees all folders of a data set: their class numbers mean the same.
    """

    def __init__(self) -> None:
        self._first: dict[int, tuple[Colour, Path]] = {}  # of each number its colour and the file that has it first
        self._n: Counter[Path] = Counter()  # label maps with a palette, by folder
        self._differing: Counter[Path] = Counter()
        self._examples: dict[Path, str] = {}

    def add(self, path: Path, folder: Path, label: Image.Image) -> None:
        """Take the palette of a label map of a folder into account; one without a palette says nothing."""
        palette = label.getpalette() if label.mode == "P" else None
        if palette is None:
            return
        self._n[folder] += 1
        example = ""
        for number in np.flatnonzero(label.histogram()).tolist():
            colour = tuple(palette[3 * number : 3 * number + 3])
            before, first = self._first.setdefault(number, (colour, path))
            if colour != before and not example:
                names = [each.name if folder in first.parents else str(each) for each in (first, path)]
                example = f"{number} is {before} in {names[0]} and {colour} in {names[1]}"
        if example:
            self._differing[folder] += 1
            self._examples.setdefault(folder, example)

    def warnings(self, folder: Path) -> tuple[str, ...]:
        """Return a sentence where a number has several colours, in a folder or in those before it."""
        if not self._differing[folder]:
            return ()
        return (
            f"{folder}: {self._differing[folder]} of {self._n[folder]} label maps with a palette give a number another "
            f"colour than those before them ({self._examples[folder]}): where colours tell the classes, a class has "
            "another number from file to file; save class numbers, or all maps with one palette",
        )
