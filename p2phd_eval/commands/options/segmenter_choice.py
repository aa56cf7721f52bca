"""Options that say who segments."""

from pathlib import Path
from typing import Annotated

import typer

SEGMENTER = "Segmenter"
SegmenterWeights = Annotated[
    Path | None,
    typer.Option(
        "--segmenter-weights",
        rich_help_panel=SEGMENTER,
        help="File or folder of the segmenter's weights, where it takes some.",
    ),
]
ClassMapFile = Annotated[
    Path | None,
    typer.Option(
        "--class-map",
        metavar="FILE",
        rich_help_panel=SEGMENTER,
        help='What the label numbers are in the segmenter\'s classes: TOML ([labels], 7 = "road", 0 = "ignore") or CSV '
        "with the columns label and class. Default: the segmenter's own numbers.",
    ),
]
Ignore = Annotated[
    list[int] | None,
    typer.Option(
        "--ignore",
        metavar="NUMBER",
        rich_help_panel=SEGMENTER,
        help="A label number whose pixels do not count, such as 255; may be repeated.",
    ),
]
