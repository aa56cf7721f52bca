"""The options of `train` that shape a training, for commands that train several."""

from __future__ import annotations

import copy
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption

from p2phd_eval.commands.train import TRAINING_PANELS, train

_META = "training options"
_INTERVALS = ("log_every", "grid_every", "checkpoint_every")


class TrainingOptionsCommand(TyperCommand):
    """A command that takes the options of `train` beside its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = {flag for parameter in self.params for flag in parameter.opts}
        for option in _training_options():
            if not own & set(option.opts):
                self.params.append(option)


def given_options(ctx: typer.Context) -> dict[str, Any]:
    """Return the training options of a command line by name, None where left out."""
    return dict(ctx.meta.get(_META, {}))


def _training_options() -> list[TyperOption]:
    app = typer.Typer(add_completion=False)
    app.command()(train)
    options = []
    for parameter in typer.main.get_command(app).params:
        if not isinstance(parameter, TyperOption):
            continue
        if parameter.name in _INTERVALS or parameter.rich_help_panel in TRAINING_PANELS:
            option = copy.copy(parameter)
            # The function behind the command does not know them.
            option.expose_value = False
            option.callback = _keep
            options.append(option)
    return options


def _keep(ctx: Any, parameter: Any, value: Any) -> Any:
    ctx.meta.setdefault(_META, {})[parameter.name] = value
    return value
