"""Options that several commands share."""

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.places import json_to_write, name_or_path, path
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.scope import Scope

Json = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="FILE|-",
        callback=json_to_write,
        help="Write everything the table shows as JSON to FILE, or to stdout (-).",
    ),
]
Source = Annotated[
    Path, typer.Argument(metavar="RUN", help="Run folder, checkpoint file, or a folder of the original.")
]
Phase = Annotated[str, typer.Option("--phase", help="Part of the data set: folders PHASE_label and so on.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
Size = Annotated[
    tuple[int, int] | None,
    typer.Option("--size", metavar="WIDTH HEIGHT", help="Pixels of maps and photos. Default: those that they have."),
]
Device = Annotated[
    str | None,
    typer.Option("--device", help="Any torch device, such as cpu, cuda:1 or mps. Default: cuda, mps or cpu."),
]


class Tracker(str, Enum):
    """Where `--track` writes, through its own library."""

    TENSORBOARD = "tensorboard"
    MLFLOW = "mlflow"


Track = Annotated[
    list[Tracker] | None, typer.Option("--track", help="Write curves there too, by its own library; may be repeated.")
]
STATISTICS = "Statistics"
ClusterBy = Annotated[
    str | None,
    typer.Option(
        "--cluster-by",
        callback=name_or_path,
        metavar="RULE",
        rich_help_panel=STATISTICS,
        help="Which images are alike: cityscapes-city, cityscapes-sequence, a regular expression on the stem (its "
        "first group), or a .csv with the columns id and cluster.",
    ),
]
Confidence = Annotated[
    float,
    typer.Option(
        "--confidence", rich_help_panel=STATISTICS, help="How often intervals hold the truth; tests are at 1 minus it."
    ),
]
Judge = Annotated[
    Estimand,
    typer.Option(
        "--judge",
        rich_help_panel=STATISTICS,
        help="What the verdict is about, chosen before looking. fid-at-n: FID at this number of images, as papers "
        "print it, diversity included. fid: of the distributions, extrapolated; refused where the images are too few. "
        "block-fid: by blocks of features, takes --reference. kid: with the usual cubic kernel. kid-rq: with one that "
        "sees noise and spread. cmmd: takes --feature-network clip.",
    ),
]
ScopeChoice = Annotated[
    Scope | None,
    typer.Option(
        "--scope",
        rich_help_panel=STATISTICS,
        help="A: these checkpoints, images random. B: the recipes, training seeds random too. Default: B where every "
        "arm has several runs.",
    ),
]
Reference = Annotated[
    os.PathLike[str] | None,
    typer.Option(
        "--reference",
        parser=path,
        metavar="IMAGES",
        rich_help_panel=STATISTICS,
        help="Other real images, such as the training photos, for the block FID: a folder, archive, list or features.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Compare features that were made differently, with a warning.")]

FEATURES = "Features"
ProtocolName = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        metavar="NAME",
        rich_help_panel=FEATURES,
        help="Hold the images against a paper's protocol, which fixes their list, size, resize and network: "
        "spade-cityscapes, spade-ade20k, spade-coco and others, see docs/protocols.md. What does not fit is refused.",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--feature-weights",
        rich_help_panel=FEATURES,
        help="File or folder of the feature network's weights. Default: FID's, from the cache, else they are fetched.",
    ),
]
LpipsWeights = Annotated[
    Path | None,
    typer.Option(
        "--lpips-weights",
        metavar="FILE",
        rich_help_panel=FEATURES,
        help="File of torchvision's AlexNet weights, for LPIPS. Default: from the cache, else they are fetched; "
        "without them LPIPS is left out.",
    ),
]
DistanceWeights = Annotated[
    list[str] | None,
    typer.Option(
        "--distance-weights",
        callback=name_or_path,
        metavar="NAME=PATH",
        rich_help_panel=FEATURES,
        help="Compare images by this distance as well, with the weights at PATH: dists or dreamsim, see "
        "docs/distances.md. May be repeated.",
    ),
]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="Images at a time; no result depends on it.")]
Replicates = Annotated[
    int | None,
    typer.Option(
        "--replicates",
        min=2,
        rich_help_panel=STATISTICS,
        help="Bootstrap replicates. Default: 200 for fid, 1000 for compare, fewer where each is costly.",
    ),
]

_ORIGINAL = "A folder of the original"
WhichEpoch = Annotated[
    str | None,
    typer.Option(
        "--which-epoch", metavar="EPOCH", rich_help_panel=_ORIGINAL, help="Its EPOCH_net_G.pth. Default: latest."
    ),
]
LabelNc = Annotated[
    int | None,
    typer.Option(
        "--label-nc", min=0, rich_help_panel=_ORIGINAL, help="Classes it was trained with. Default: inferred."
    ),
]
Instances = Annotated[
    bool | None,
    typer.Option(
        "--instances/--no-instances",
        rich_help_panel=_ORIGINAL,
        help="Whether it was trained with instance edges. Default: inferred.",
    ),
]
