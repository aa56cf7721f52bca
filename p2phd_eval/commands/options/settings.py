"""The settings of a training as options of a command: what stands at the fields of the configuration, for typer."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from p2phd_eval.config import SETTINGS, Setting, flat
from p2phd_eval.presets import PRESETS

Preset = Annotated[str, typer.Option("--preset", help=f"Settings to start from: {', '.join(PRESETS)}.")]
_VALUES = {name: flat(config.to_dict()) for name, config in PRESETS.items()}


def with_settings(
    takes: Callable[[Setting], bool] = lambda setting: True, *, hidden: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each setting that it takes and has no parameter for; its `**settings` get them.

    Parameters
    ----------
    takes : callable
        Which settings.
    hidden : bool
        Leave them out of `--help`.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        taken: dict[str, Setting] = {}
        for each in filter(takes, SETTINGS):
            if each.option not in signature.parameters:
                taken.setdefault(each.option, each)  # one option may set two fields
        options = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(each, hidden))
            for name, each in taken.items()
        ]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            command(**given)

        # Options in panels of their own come last, so that the panels keep their order.
        parameters = [
            *(each for each in own if not _has_panel(each)),
            *options,
            *(each for each in own if _has_panel(each)),
        ]
        run.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
        )
        run.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": None}
        return run

    return decorate


def _option(setting: Setting, hidden: bool) -> Any:
    flag = f"--{setting.option.replace('_', '-')}"
    info = typer.Option(
        f"{flag}/--no-{flag[2:]}" if setting.kind is bool else flag,
        help=f"{setting.help} {_default(setting)}".rstrip(),
        metavar=setting.metavar or "|".join(setting.choices) or None,
        rich_help_panel=setting.panel,
        show_default=False,
        hidden=hidden,
    )
    return Annotated[setting.kind | None, info]


def _default(setting: Setting) -> str:
    """Say what is used where the option is left out, by the preset that is the default and by those that differ."""
    if setting.default is not None:
        return f"Default: {setting.default}."
    presets: dict[str, list[str]] = {}
    for name, values in _VALUES.items():
        presets.setdefault(_text(values[setting.key]), []).append(name)
    usual, *others = presets
    differing = "; ".join(f"{', '.join(presets[value])}: {value}" for value in others)
    return f"Default: {usual}{differing and f' ({differing})'}." if usual else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _has_panel(parameter: inspect.Parameter) -> bool:
    return any(getattr(info, "rich_help_panel", None) for info in getattr(parameter.annotation, "__metadata__", ()))
