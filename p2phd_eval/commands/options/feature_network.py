"""The options of every command that computes features, which become one `FeatureSettings`."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any

import typer

from p2phd_eval.commands.options.common import FEATURES, Device, Weights
from p2phd_eval.commands.options.places import name_or_path
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.identity import FeaturePrecision, Resize

# By the field that each gives; type and default are the field's own.
_OPTIONS: dict[str, Any] = {
    "network": Annotated[
        str | None,
        typer.Option(
            "--feature-network",
            callback=name_or_path,
            metavar="NAME|MODULE:CALLABLE",
            rich_help_panel=FEATURES,
            help="Another network than FID's: clip, dinov2_vitl14, or your own; see docs/feature-spaces.md.",
        ),
    ],
    "weights": Weights,
    "resize": Annotated[
        Resize,
        typer.Option(
            "--resize",
            metavar="NAME",
            rich_help_panel=FEATURES,
            help="Whose resize to 299 x 299: legacy-pytorch (pytorch-fid's), legacy-tensorflow (torch-fidelity's), "
            "clean (clean-fid's) or torchmetrics.",
        ),
    ],
    "dims": Annotated[
        int, typer.Option("--dims", rich_help_panel=FEATURES, help="Features an image: 64, 192, 768 or 2048 (FID's).")
    ],
    "precision": Annotated[
        FeaturePrecision,
        typer.Option(
            "--feature-precision",
            metavar="fp32|tf32|bf16|fp16",
            rich_help_panel=FEATURES,
            help="What the feature network computes in. A reduced one says by how much it shifts the FID.",
        ),
    ],
    "device": Device,
    "workers": Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=0,
            rich_help_panel=FEATURES,
            help="Decoding processes; no result depends on it. Default: 2 for a CPU, up to 16 for a GPU.",
        ),
    ],
    "cache": Annotated[
        bool,
        typer.Option(
            "--cache/--no-cache", rich_help_panel=FEATURES, help="Keep features, and use those kept; see `cache list`."
        ),
    ],
}


def with_feature_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options, with the defaults of `FeatureSettings`; its parameter `settings` gets them all."""
    signature = inspect.signature(command, eval_str=True)
    options = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=_OPTIONS[field.name]
        )
        for field in fields(FeatureSettings)
    ]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        chosen = {option.name: given.pop(option.name) for option in options}
        command(**given, settings=FeatureSettings(**chosen))

    own = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for each in signature.parameters.values()
        if each.name != "settings"
    ]
    parameters = [*own, *options]
    # What typer reads.
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": None}
    return run
