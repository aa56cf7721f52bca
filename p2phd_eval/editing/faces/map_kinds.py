"""What is drawn of a face."""

from enum import Enum


class FaceMaps(str, Enum):
    """The kinds of maps of a face."""

    EDGES = "edges"
    PARTS = "parts"
