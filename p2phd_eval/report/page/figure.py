"""Figures drawn with matplotlib, as SVG that stands inside a page and takes its colours."""

import io
import re
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 5.2  # inches: 374 units of the viewBox, about as wide as a telephone, so that text of 10 units is legible there
LINE = 0.2  # inches, the height of a line of text

# matplotlib knows no CSS variables: colours that nobody would choose stand for them until the SVG is written.
INK, MUTED, GRID, BAND = "#010203", "#010204", "#010205", "#010206"
_ARMS = tuple(f"#01030{index}" for index in range(6))
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--line)",
    BAND: "var(--band)",
    **{colour: f"var(--arm-{index})" for index, colour in enumerate(_ARMS)},
}
_SETTINGS: Any = {  # matplotlib's type for the names differs between its versions
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.facecolor": "none",
    "font.size": 10,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "svg.fonttype": "none",
    "text.color": INK,
    # Names are the user's: "$x^2$" is a name, not a formula.
    "text.parse_math": False,
    "xtick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.color": GRID,
    "ytick.labelcolor": MUTED,
}
_NAMESPACE = "http://www.w3.org/2000/svg"
_HREF = "{http://www.w3.org/1999/xlink}href"


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot for a page."""

    svg: str  # one <svg> element, for inlining in HTML
    label: str  # one sentence that says what it shows


def arm_colour(index: int) -> str:
    """Return the colour of the arm with this index; there are six, used in turn."""
    return _ARMS[index % len(_ARMS)]


def as_text(name: str, width: int) -> str:
    """Return a user's name in lines of at most `width` characters, without what XML cannot hold."""
    legible = re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", name)
    return "\n".join(textwrap.wrap(legible, width))


@contextmanager
def figure_of(height: float) -> Iterator[Figure]:
    """Give an empty figure, `WIDTH` by `height` inches; draw and `plot_of` it inside the context.

    The settings hold for the context alone, and no figure is registered with pyplot.
    """
    with matplotlib.rc_context(), warnings.catch_warnings():
        # matplotlib only measures the text; the browser draws it, with fonts that may well have the glyph.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield Figure(figsize=(WIDTH, height))


def add_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes at a place given in inches from the lower left corner."""
    across, up = figure.get_size_inches()
    axes: Axes = figure.add_axes((left / across, bottom / up, width / across, height / up))
    return axes


def add_text(figure: Figure, left: float, bottom: float, text: str, **style: Any) -> None:
    """Write text at a place given in inches from the lower left corner."""
    across, up = figure.get_size_inches()
    figure.text(left / across, bottom / up, text, **style)


def plot_of(figure: Figure, name: str, label: str) -> Plot:
    """Write a figure as SVG.

    The same figure gives the same bytes. Colours are the CSS variables `--ink`, `--muted`, `--line`, `--band` and
    `--arm-0` to `--arm-5` of the page; the background is transparent.

    `figure`: from `figure_of`. `name`: prefix of all its ids, which keeps them unique on a page with several plots;
    letters and hyphens. `label`: one sentence that says what the figure shows, for those who do not see it.
    """
    matplotlib.rcParams["svg.hashsalt"] = name
    written = io.BytesIO()
    figure.savefig(written, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(written.getvalue())
    _for_inlining(root, name)
    label = as_text(label, len(label) + 1)
    box = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib.update(
        {
            "xmlns": _NAMESPACE,
            "viewBox": box,
            "width": "100%",
            "role": "img",
            "aria-label": label,
            "style": "max-width: 36rem; stroke-linejoin: round; stroke-linecap: butt",
        }
    )
    title = ElementTree.Element("title")
    title.text = label
    root.insert(0, title)
    return Plot(svg=ElementTree.tostring(root, encoding="unicode"), label=label)


def _for_inlining(root: ElementTree.Element, name: str) -> None:
    """Strip namespaces and the style sheet, which would hold for the whole page; prefix ids; set the page's colours."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{{{_NAMESPACE}}}metadata" or child.find(f"{{{_NAMESPACE}}}style") is not None:
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_NAMESPACE}}}")
        if "id" in element.attrib:
            element.set("id", f"{name}-{element.attrib['id']}")
        if _HREF in element.attrib:
            element.set("href", f"#{name}-{element.attrib.pop(_HREF).removeprefix('#')}")
        if "clip-path" in element.attrib:
            element.set("clip-path", element.attrib["clip-path"].replace("url(#", f"url(#{name}-"))
        if "style" in element.attrib:
            element.set("style", _page_style(element.attrib["style"]))


def _page_style(style: str) -> str:
    style = re.sub(r"(font: (?:bold )?\S+) [^;]*", r"\1 system-ui, sans-serif", style)
    return re.sub(r"#010[23]0\d", lambda found: _VARIABLES[found[0]], style)
