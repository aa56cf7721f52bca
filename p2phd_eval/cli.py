"""The command line: assembles the commands, and turns what ends one into a message and an exit code."""

import contextlib
import gc
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

import p2phd_eval
from p2phd_eval.commands import cache, data, edit, encode, export, segment, weights
from p2phd_eval.commands.bench import bench
from p2phd_eval.commands.blind_test import blind_test
from p2phd_eval.commands.compare import compare
from p2phd_eval.commands.convert import convert
from p2phd_eval.commands.demo import demo
from p2phd_eval.commands.features import features, merge
from p2phd_eval.commands.fid import fid
from p2phd_eval.commands.floor import floor
from p2phd_eval.commands.gate import gate
from p2phd_eval.commands.generate import generate
from p2phd_eval.commands.metrics import metrics
from p2phd_eval.commands.options.folders import FolderOptionsCommand
from p2phd_eval.commands.options.hints import hint, renamed
from p2phd_eval.commands.options.places import checked_places
from p2phd_eval.commands.plan import plan
from p2phd_eval.commands.report import report
from p2phd_eval.commands.study import study
from p2phd_eval.commands.train import train
from p2phd_eval.errors import InputError
from p2phd_eval.failures import FAULT, describe_failure, traceback_text
from p2phd_eval.formatting import one_line, printable
from p2phd_eval.stores.object_store import without_users
from p2phd_eval.streams import make_streams_safe

# Read when a command loads torch. By default OpenMP's threads spin for milliseconds while they wait; as soon as another
# process wants a core, all spin for the one that lost it, and small networks train a hundred times slower. Spinning
# for about a microsecond keeps nearly all of the speed on an idle machine and a third of it on a busy one.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
# Large tensors in pages of 2 MB, where Linux has them. Torch asks the system for memory anew for every large map; to be
# given it in pages of 4 kB is a fifth of what a small network takes at 1024 x 512, and 3 to 8 % of a training step.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


class _Group(TyperGroup):
    _prepared = False  # whether parameters know what they are called and take, once for all calls

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        # `features merge` stands beside `features DATA`; a folder of that name is ./merge.
        if " ".join(args[:2]) in self.commands:
            args = [" ".join(args[:2]), *args[2:]]
        return super().resolve_command(ctx, args)

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **settings: Any) -> Any:
        args, notes = renamed(args, _options_of(_commands(self)))
        for note in notes:
            typer.echo(note, err=True)
        if not self._prepared:
            self._prepare()
        try:
            return super().make_context(info_name, args, *rest, **settings)
        except Exception as error:
            if hasattr(error, "format_message"):
                _explain(error, _commands(self))
            raise

    def _prepare(self) -> None:
        for command in _commands(self).values():
            for parameter in command.get_params(typer.Context(command, help_option_names=_HELP)):
                if getattr(parameter, "is_flag", False):
                    parameter.metavar = ""  # a flag takes no value: nothing in place of "<bool>"
                    if not parameter.expose_value:  # typer's own, such as --help, whose None it loads pydantic to check
                        parameter.default = False
                elif hasattr(parameter, "type_descriptor"):
                    _name_value(parameter)
                parameter.callback = checked_places(parameter.callback)
        self._prepared = True

    def invoke(self, ctx: Any) -> Any:
        try:
            _require_current_folder()
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt as interrupt:
            raise typer.Exit(_INTERRUPTED) from interrupt
        except Exception as error:
            if hasattr(error, "format_message"):  # typer's own, about options
                _explain(error, _commands(self))
                raise
            raise typer.Exit(_report(error, debug=ctx.params.get("debug", False))) from error


_VALUES = {int: "NUMBER", float: "NUMBER", str: "NAME", Path: "PATH"}
_NUMBERS = {int: "a whole number", float: "a number"}


def _name_value(parameter: Any) -> None:
    """Say what stands for a value in words, where newer versions of typer show Python's types, such as <list[Path]>."""
    kind = parameter.type_descriptor
    if parameter.param_type_name == "argument":
        parameter.metavar = parameter.metavar or parameter.name.upper()
        parameter.display_type_rich = lambda ctx: None
    elif parameter.metavar is None:
        parameter.metavar = "|".join(each.value for each in kind.choices or ()) or _VALUES.get(kind.annotation)


def _commands(group: TyperGroup, above: str = "") -> dict[str, Any]:
    """All commands by what is typed to call them, groups included."""
    found: dict[str, Any] = {above.strip(): group}
    for name, command in group.commands.items():
        called = f"{above} {name}"
        found |= _commands(command, called) if isinstance(command, TyperGroup) else {called.strip(): command}
    return found


def _explain(error: Any, commands: dict[str, Any]) -> None:
    """Say in an error about an unknown option what it is called here, in one about a value what was expected, and in
    one about what is missing how the command is called.

    What was typed is printed in it, made printable.
    """
    # They are click's, or those of the copy of click inside newer versions of typer, where pydantic says what is wrong.
    if type(error).__name__ == "BadParameter" and hasattr(error.__cause__, "errors"):
        wrong, kind = error.__cause__.errors()[0], error.param.type_descriptor
        expected = " | ".join(each.value for each in kind.choices or ()) or _NUMBERS.get(kind.annotation)
        if expected:
            least = "" if error.param.min is None else f" of {error.param.min} or more"
            error.message = f"expected {expected}{least}, found {wrong['input']!r}."
    if type(error).__name__ == "NoSuchOption":
        _hint(error, commands)
    message = without_users(printable(error.format_message()))
    if type(error).__name__ == "MissingParameter" and (example := _example(error.ctx)):
        message = f"{message}\nFor example: {example}"
    error.format_message = lambda: message


def _example(context: Any) -> str:
    """The first example of a command in its help."""
    paragraphs = (" ".join(each.split()) for each in (context.command.help or "").split("\n\n"))
    return next((each for each in paragraphs if each.startswith(f"{context.command_path} ")), "")


def _hint(error: Any, commands: dict[str, Any]) -> None:
    command = error.ctx.command_path.removeprefix("p2phd-eval").strip()
    error.possibilities = None
    error.message = f"{error.message.rstrip('.')}. {hint(error.option_name, command, _options_of(commands))}".rstrip()


def _options_of(commands: dict[str, Any]) -> dict[str, frozenset[str]]:
    """The long options of every command."""
    return {
        name: frozenset(
            flag
            for parameter in command.params
            for flag in (*parameter.opts, *parameter.secondary_opts)
            if flag[:2] == "--"
        )
        for name, command in commands.items()
    }


def _require_current_folder() -> None:
    """Say what some libraries end the process over, in words of their own."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise InputError(
            "the current folder", expected="it to be there", found="it deleted", fix="Change to another one."
        ) from None


def _report(error: Exception, *, debug: bool) -> int:
    """Say what ended the command, on stderr; return the exit code."""
    failure = describe_failure(error)
    with contextlib.suppress(OSError):  # stderr leads nowhere
        console = Console(stderr=True, highlight=False, emoji=False)
        for text in ([traceback_text(error)] if debug else []) + [f"{_rank()}error: {failure.message}"]:
            # Commands that read no addresses name as a file what was given.
            console.print(without_users(text), markup=False, soft_wrap=True)
    return failure.exit_code


def _rank() -> str:
    return f"[rank {one_line(os.environ['RANK'])}] " if "RANK" in os.environ else ""


_INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
_HELP = ["-h", "--help"]
app = typer.Typer(
    cls=_Group,
    name="p2phd-eval",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": _HELP},
)
_START = "Start: the whole way in one command"
app.command(rich_help_panel=_START)(demo)
app.command(rich_help_panel=_START)(study)
_TRAIN = "Train: from label maps and photos to samples"
app.add_typer(data.app, name="data", rich_help_panel=_TRAIN)
app.command(rich_help_panel=_TRAIN)(train)
app.command(rich_help_panel=_TRAIN)(generate)
app.add_typer(encode.app, name="encode", rich_help_panel=_TRAIN)
app.add_typer(edit.app, name="edit", rich_help_panel=_TRAIN)
app.command(rich_help_panel=_TRAIN)(convert)
app.add_typer(export.app, name="export", rich_help_panel=_TRAIN)
app.command(rich_help_panel=_TRAIN)(bench)
_JUDGE = "Judge: samples of any generator"
app.command(rich_help_panel=_JUDGE, cls=FolderOptionsCommand)(compare)
app.command(rich_help_panel=_JUDGE, cls=FolderOptionsCommand)(floor)
app.add_typer(segment.app, name="segment", rich_help_panel=_JUDGE)
app.command(rich_help_panel=_JUDGE)(plan)
app.command(rich_help_panel=_JUDGE)(fid)
app.command(rich_help_panel=_JUDGE)(metrics)
app.command(rich_help_panel=_JUDGE)(features)
app.command("features merge", rich_help_panel=_JUDGE)(merge)
app.add_typer(weights.app, name="weights", rich_help_panel=_JUDGE)
app.add_typer(cache.app, name="cache", rich_help_panel=_JUDGE)
_SHARE = "Share: with people and with CI"
app.command(rich_help_panel=_SHARE)(report)
app.command(rich_help_panel=_SHARE)(gate)
app.command("blind-test", rich_help_panel=_SHARE)(blind_test)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"p2phd-eval {p2phd_eval.__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Does automatic mixed precision cost a pix2pixHD image quality? Train, sample, and compare by FID with error bars.

    Start with: p2phd-eval demo
    """


def main() -> None:
    """Run the command line; `--debug` may stand anywhere.

    Ends with 0; with 1 where a command was asked to fail, as `gate` is on a broken rule; with 2 for input that cannot
    be used; with 3 for a fault of the program; with 128 and the number of a signal that ended it.
    """
    make_streams_safe()
    # What is imported by now stays; to look through it for garbage, again and again while a command imports what it
    # needs, is a fifteenth of what a short one takes.
    gc.freeze()
    # For processes that this one starts, from Python 3.11 on: what lies in the current folder is not theirs to import.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    arguments = sys.argv[1:]
    if "--debug" in arguments:
        arguments = ["--debug", *(argument for argument in arguments if argument != "--debug")]
    else:
        # What libraries stumble over while they clean up after an error that is told.
        sys.unraisablehook = lambda _: None
    exit_code = _run(arguments)
    try:
        sys.stdout.flush()
    except OSError as error:  # a full disk
        exit_code = _report(error, debug=False)
    if "WORLD_SIZE" in os.environ and exit_code:
        # A rank that ends early still has threads that talk to the others; taking the interpreter down would abort
        # the process, and torchrun would report that instead of the exit code.
        sys.stderr.flush()
        os._exit(exit_code)
    sys.exit(exit_code)


def _run(arguments: list[str]) -> int:
    try:
        app(args=arguments, prog_name="p2phd-eval")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAULT if end.code else 0
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:
        return _report(error, debug="--debug" in arguments)
    return 0
