"""Which question a comparison answers: about these checkpoints, or about the recipes that trained them."""

from enum import Enum


class Scope(str, Enum):
    """What a verdict speaks of. Files and prose call the two A and B."""

    CHECKPOINTS = "A"  # images are random, the models fixed
    RECIPES = "B"  # training seeds are random too
