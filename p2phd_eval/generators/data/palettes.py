"""Label maps with a palette whose numbers are colours of an editor, not classes."""

from pathlib import Path

import numpy as np
from PIL import Image

Colour = tuple[int, ...]  # red, green and blue in [0, 255]


class PaletteCheck:
    """Holds the palettes of label maps against each other: one number, one colour.

    A colour picture that is saved with a palette numbers its colours as it likes, so that a class has another number in
    each file.
    """

    def __init__(self) -> None:
        self._first: dict[int, tuple[Colour, str]] = {}  # of each number its colour and the file that has it first
        self._n, self._differing, self._example = 0, 0, ""

    def add(self, path: Path, label: Image.Image) -> None:
        """Take the palette of a label map into account; one without a palette says nothing."""
        palette = label.getpalette() if label.mode == "P" else None
        if palette is None:
            return
        self._n += 1
        differs = False
        for number in np.flatnonzero(label.histogram()).tolist():
            colour = tuple(palette[3 * number : 3 * number + 3])
            before, where = self._first.setdefault(number, (colour, path.name))
            if colour != before:
                differs = True
                self._example = self._example or f"{number} is {before} in {where} and {colour} in {path.name}"
        self._differing += differs

    def warnings(self, folder: Path) -> tuple[str, ...]:
        """Return a sentence where a number has several colours."""
        if not self._differing:
            return ()
        return (
            f"{folder}: {self._differing} of {self._n} label maps with a palette give a number another colour than "
            f"those before them ({self._example}): where colours tell the classes, a class has another number from "
            "file to file; save class numbers, or all maps with one palette",
        )
