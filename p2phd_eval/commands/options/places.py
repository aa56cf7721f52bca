"""Arguments and options that take a path or an address of a store, or a path alone, or name what is to be written.

A target is looked at while the command line is read: before torch is loaded, and before any work.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from p2phd_eval.errors import InputError
from p2phd_eval.images.replacing import require_replaceable
from p2phd_eval.stores.find_store import address_of
from p2phd_eval.stores.object_store import redacted
from p2phd_eval.stores.store_path import AnyPath, as_path
from p2phd_eval.targets import require_file_target, require_folder_target

_TARGETS = "p2phd_eval.targets"  # the key of a context's data under which files stand, with what named them
_READ = "p2phd_eval.read"  # likewise of files that are read
#: What typer calls with the value of a parameter, and what it takes in its place.
_Callback = Callable[[typer.Context, typer.CallbackParam, Any], Any]


def path(given: str) -> AnyPath:
    """Return the place that was typed; named as help shows it. What is typed as `Path` would lose a slash of ``//``."""
    return as_path(given)


def checked_places(callback: _Callback | None) -> _Callback:
    """Make the callback of any parameter, around its own: it refuses an address where only a path can be, and a file
    to write that is read as well.

    Parameters of paths alone have values that are of the type `Path`; of those that take both, addresses are not.
    """

    def checked(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
        looked_at = not context.resilient_parsing  # which it is while a shell completes a line
        places = value if isinstance(value, list | tuple) else (value,)
        for each in places if looked_at else ():
            if isinstance(each, Path):
                require_on_disk(str(each), _given_as(parameter))
        found = value if callback is None else callback(context, parameter, value)
        for each in places if looked_at else ():
            if isinstance(each, os.PathLike) or (isinstance(each, str) and _is_file(each)):
                _require_apart(context, _shown_as(parameter), each)
        return found

    return checked


def _is_file(text: str) -> bool:
    """Whether a text that may be a name or a path is that of a file."""
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a path, or with a NUL
        return False


def _require_apart(context: typer.Context, name: str, place: str | os.PathLike[str]) -> None:
    """Raise `InputError` where a file is read and written, whichever of both is looked at first."""
    try:
        file = os.path.realpath(place)
    except ValueError:  # a NUL, of which whoever reads it will tell
        return
    targets, read = (context.meta.setdefault(key, {}) for key in (_TARGETS, _READ))
    if targets.get(file) != name:
        read.setdefault(file, name)
    if file in targets and file in read and not Path(file).is_dir():
        raise InputError(
            targets[file],
            expected=f"another file than {read[file]}, which is read",
            found=str(place),
            fix="Name another file.",
        )


def name_or_path(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
    """Refuse an address, as the callback of an option whose text, one or several, is a name, a path, or NAME=PATH."""
    for each in value if isinstance(value, list | tuple) else () if value is None else (value,):
        for text in (each, each.partition("=")[2]):
            require_on_disk(text, _given_as(parameter))
    return value


def require_on_disk(given: str, option: str = "") -> None:
    """Raise `InputError` if what was typed where a path belongs is an address; `option`: what it was given to."""
    if (address := address_of(given)) is not None:
        raise InputError(
            f"{option} {redacted(address)}".lstrip(),
            expected="a path: training data, runs, checkpoints, weights and studies lie on disks",
            found=f"an address of {address.partition('://')[0]}://",
            fix=f"Copy it to a disk first{_COPY.get(address[:2], '')}, or write to a disk and copy that. Addresses "
            "are taken for images, features, reports and what is written of them: see docs/object-stores.md.",
        )


def _given_as(parameter: Any) -> str:
    """What an option is called; empty for an argument, of which a message shows what was typed."""
    return "" if parameter.param_type_name == "argument" else str(parameter.opts[0])


def _shown_as(parameter: Any) -> str:
    """What a parameter is called in the help."""
    return _given_as(parameter) or str(parameter.metavar or parameter.name.upper())


_COPY = {"s3": " (aws s3 cp --recursive)", "gs": " (gcloud storage cp --recursive)", "hf": " (hf download)"}


def _target(require: Callable[[str | os.PathLike[str], str], None]) -> _Callback:
    """Make the callback of a parameter whose value is refused where nothing can be written to it.

    Nor may two parameters of a command name one file, of which the last would be all that is left.
    """

    def callback(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
        if value is None or context.resilient_parsing:  # which it is while a shell completes a line
            return value
        name = _shown_as(parameter)
        require(value, name)
        file = os.path.realpath(value)
        other = context.meta.setdefault(_TARGETS, {}).setdefault(file, name)
        if other != name and (Path(file).is_file() or not Path(file).exists()):
            raise InputError(name, expected=f"another file than {other}", found=str(value), fix="Name two files.")
        return value

    return callback


def file_to_write(ending: str) -> _Callback:
    """Return the callback of a file whose kind its ending says; it takes the place of another one of that kind."""
    return _target(lambda place, name: require_file_target(place, name, ending=ending))


def _require_result(place: str | os.PathLike[str], option: str) -> None:
    """Raise `InputError` where a result would replace an image, weights, or what nothing makes again."""
    require_replaceable(place, option)
    try:
        with Path(place).open("rb") as stream:
            begins = stream.read(_HEAD)
    except OSError:  # not there yet, or in a store
        return
    for schema, what in _KEPT.items():
        if f'"schema": "{schema}"'.encode() in begins:
            raise InputError(
                option,
                expected="a new file, or one that such a result may replace",
                found=f"{place}, {what}",
                fix="Name another file.",
            )


_HEAD = 100  # bytes of a document, in which it says what it is
_KEPT = {
    "p2phd-eval/study": "the plan of a study, without which it cannot go on",
    "p2phd-eval/blind-test-key": "the key of a blind test, without which nothing can be scored",
}

#: Of a text, a page or a table, which take the place of no image or weights.
text_to_write = _target(_require_result)
#: Likewise, or ``-`` for stdout.
json_to_write = _target(lambda place, name: None if place == "-" else _require_result(place, name))
#: Of a folder that is made, or written to.
folder_to_write = _target(require_folder_target)
