"""The arms of a study from a TOML file: pix2pixHD in a precision, or commands of any generator."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Struct

from p2phd_eval.errors import InputError, found_instead, shown
from p2phd_eval.generators.training.precision import PRECISIONS
from p2phd_eval.json_files import convert_json
from p2phd_eval.report.documents.arm_documents import ArmKind, CommandArm, PrecisionArm
from p2phd_eval.study.arm_inputs import find_inputs, require_program
from p2phd_eval.study.placeholders import names_in, require_placeholders

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Keys of an arm, and their values.
_KINDS: Mapping[str, Any] = {
    "name": Annotated[str, msgspec.Meta(min_length=1)],
    "precision": str,
    "generate": list[str],
    "train": list[str],
    "run_of": str,
    "images": str,
    "inputs": list[str],
    "environment": dict[str, str],
    "folder": str,
    "timeout_s": float,
    "benign": bool,
}
_OF_COMMANDS = ("generate", "train", "run_of", "images", "inputs", "environment", "folder", "timeout_s")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_ANYWHERE = ("data", "device", "python", "seed")
_LARGEST = 1 << 20  # bytes


class ArmsFile(Struct, frozen=True, kw_only=True):
    """What an arms file says."""

    arms: dict[str, ArmKind]  # by name, the baseline first
    conditions: Path | None  # the CSV of conditions, where there is one


def arms_file_of(arms: str | Path | Sequence[str] | None) -> Path | None:
    """Return the arms file, where arms are given as one and not as names of precisions."""
    if isinstance(arms, Path):
        return arms
    return Path(arms) if isinstance(arms, str) and arms.lower().endswith(".toml") else None


def read_arms_file(path: Path, *, seeds: int | None = None) -> ArmsFile:
    """Read an arms file; see `docs/arms.md` for its keys.

    Parameters
    ----------
    path : Path
    seeds : int, optional
        How many seeds the study has: with two or more every arm has to depend on the seed.

    Raises
    ------
    InputError
        If the file is no TOML, or an arm in it cannot be made; with the line, where there is one.
    """
    text = _read(path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, _, place = str(error).partition(" (at ")
        line = re.match(r"line (\d+)", place)
        where = f"{path}, line {line[1]}" if line else f"{path}, at its end"
        raise InputError(
            where, expected="TOML", found=f"text that is none: {message[:1].lower()}{message[1:]}"
        ) from error
    except (ValueError, RecursionError) as error:  # where Python's own limits end
        found = "values nested without end" if isinstance(error, RecursionError) else "a number of thousands of digits"
        raise InputError(str(path), expected="TOML that can be read", found=found) from error
    return _File(path, text).read(values, seeds)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise InputError(str(path), expected="an arms file", found=f"more than {_LARGEST >> 20} MiB")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(str(path), expected="TOML, which is UTF-8", found=f"byte {error.start} that is not") from error
    except (OSError, ValueError) as error:
        fix = "docs/arms.md says how to write one."
        raise InputError(str(path), expected="an arms file (TOML)", found=found_instead(error), fix=fix) from error


class _File:
    """Reads the tables of one file, and knows in which line what stands."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._lines = path, text.split("\n")
        self._conditions: tuple[str, ...] = ()
        self._begins = [n for n, line in enumerate(self._lines) if re.match(r"\s*\[\[\s*arm\s*\]\]", line)]

    def read(self, values: dict[str, Any], seeds: int | None) -> ArmsFile:
        """Check what the file holds, and return it."""
        for key in values:
            if key not in ("arm", "conditions"):
                raise InputError(
                    self._line(0, len(self._lines), key),
                    expected="tables [[arm]], and before them conditions = FILE",
                    found=f"the key {key!r}",
                )
        # A command can have them where they are.
        self._conditions = ("conditions",) if "conditions" in values else ()
        tables = values.get("arm", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables) or len(tables) < 2:
            raise InputError(
                self._line(0, 0, "arm"),
                expected="two tables [[arm]] or more, the baseline first",
                found=str(len(tables))
                if isinstance(tables, list)
                else "one, [arm]"
                if isinstance(tables, dict)
                else shown(tables),
            )
        if len(self._begins) != len(tables):
            # Written as values, or what looks like a header is a text: where each begins is not known.
            self._begins = []
        arms: dict[str, ArmKind] = {}
        for k, table in enumerate(tables):
            name, arm = self._arm(k, table)
            if name.casefold() in map(str.casefold, arms):
                raise InputError(self._where(k, "name"), expected="a name of its own", found=f"{name!r} a second time")
            arms[name] = arm
        self._require_sources(arms, seeds)
        self._require_others(arms)
        conditions = values.get("conditions")
        if conditions is not None and not isinstance(conditions, str):
            raise InputError(
                self._line(0, len(self._lines), "conditions"), expected="the path of a CSV", found=shown(conditions)
            )
        return ArmsFile(arms=arms, conditions=None if conditions is None else self._path.parent / conditions)

    def _arm(self, k: int, table: dict[str, Any]) -> tuple[str, ArmKind]:
        for key in table:
            if key not in _KINDS:
                raise InputError(self._where(k, key), expected=f"keys among {', '.join(_KINDS)}", found=repr(key))
        given = {key: convert_json(value, _KINDS[key], self._where(k, key)) for key, value in table.items()}
        if "name" not in given:
            raise InputError(self._where(k, "name"), expected="a name", found="none")
        name = given["name"]
        if not _NAME.fullmatch(name):
            expected = "letters, digits and . _ + -, at most 64, a letter or digit first: it becomes a folder's name"
            raise InputError(self._where(k, "name"), expected=expected, found=repr(name))
        if "precision" in given:
            beside = [key for key in _OF_COMMANDS if key in given]
            if beside:
                found = f"{beside[0]} beside it"
                raise InputError(self._where(k, beside[0]), expected="precision, or a command", found=found)
            if given["precision"] not in PRECISIONS:
                expected = f"one of {', '.join(PRECISIONS)}"
                raise InputError(self._where(k, "precision"), expected=expected, found=repr(given["precision"]))
            return name, PrecisionArm(precision=given["precision"], benign=given.get("benign", False))
        return name, self._command_arm(k, given)

    def _command_arm(self, k: int, given: dict[str, Any]) -> CommandArm:
        generate, train, images = given.get("generate", []), given.get("train", []), given.get("images")
        if not generate and images is None:
            raise InputError(
                self._where(k, "generate"),
                expected="generate = [PROGRAM, ARGUMENT, ...]; or images = FOLDER, or precision = NAME",
                found="an empty command" if "generate" in given else "none of them",
            )
        if train and "run_of" in given:
            raise InputError(self._where(k, "run_of"), expected="train, or run_of, the arm that trains", found="both")
        if (train or "run_of" in given) and not generate:
            raise InputError(self._where(k, "images"), expected="a command that generates", found="images alone")
        has_run = bool(train) or "run_of" in given
        anywhere = (*_ANYWHERE, *self._conditions)
        for key, command, allowed in (
            ("train", train, (*anywhere, "run")),
            ("generate", generate, (*anywhere, "out", "run") if has_run else (*anywhere, "out")),
        ):
            for part in command:
                if "\0" in part:
                    raise InputError(self._where(k, key), expected="arguments without a NUL", found=shown(part))
                require_placeholders(part, self._where(k, key), tuple(sorted(allowed)))
        environment = given.get("environment", {})
        for variable, value in environment.items():
            if not variable or "=" in variable or "\0" in variable + value:
                expected = "names without =, and values without NUL"
                raise InputError(self._where(k, "environment"), expected=expected, found=shown(variable))
            require_placeholders(value, self._where(k, "environment"), _ANYWHERE)
        if images is not None:
            require_placeholders(images, self._where(k, "images"), ("out", "seed") if generate else ("seed",))
        if generate and not any("out" in names_in(part) for part in generate):
            raise InputError(
                self._where(k, "generate"),
                expected="{out}, the folder to write the images into, among the arguments",
                found=shown(generate),
            )
        if train and not any("run" in names_in(part) for part in train):
            expected = "{run}, the folder to write into, among the arguments"
            raise InputError(self._where(k, "train"), expected=expected, found=shown(train))
        timeout = given.get("timeout_s")
        if timeout is not None and not 0 < timeout < float("inf"):
            raise InputError(self._where(k, "timeout_s"), expected="seconds above 0", found=shown(timeout))
        folder = (self._path.parent / given.get("folder", ".")).resolve()
        if not folder.is_dir():
            raise InputError(self._where(k, "folder"), expected="a folder to run the commands in", found=str(folder))
        for key, command in (("train", train), ("generate", generate)):
            if command:
                require_program(command[0], folder, environment, self._where(k, key))
        return CommandArm(
            generate=tuple(generate),
            train=tuple(train),
            run_of=given.get("run_of"),
            images=images,
            folder=str(folder),
            inputs=find_inputs(folder, given.get("inputs", []), [*train, *generate], self._where(k, "inputs")),
            environment=environment,
            timeout_s=timeout,
            benign=given.get("benign", False),
        )

    def _require_others(self, arms: Mapping[str, ArmKind]) -> None:
        """Refuse an arm that is another one once more, unless that is what it is for."""
        seen: dict[Any, str] = {}
        for k, (name, arm) in enumerate(arms.items()):
            other = name if arm.benign else seen.setdefault(_made_by(arm, arms), name)
            if other != name:
                raise InputError(
                    self._where(k, "name"),
                    expected=f"something that tells {name} from {other}",
                    found="the same command, files and environment",
                    fix="An arm that repeats another one to show what chance does is marked benign = true.",
                )

    def _require_sources(self, arms: Mapping[str, ArmKind], seeds: int | None) -> None:
        for k, (name, arm) in enumerate(arms.items()):
            if k == 0 and arm.benign:
                raise InputError(
                    self._where(k, "benign"), expected="a baseline first, which others are variants of", found=name
                )
            if isinstance(arm, PrecisionArm):
                continue
            source = None if arm.run_of is None else arms.get(arm.run_of)
            if arm.run_of is not None and not (isinstance(source, CommandArm) and source.train):
                trained = [each for each, made in arms.items() if isinstance(made, CommandArm) and made.train]
                expected = f"an arm that trains: {', '.join(trained) or 'there is none'}"
                fix = "" if trained else "Leave it out: where no arm trains, all generate from the same weights."
                raise InputError(self._where(k, "run_of"), expected=expected, found=repr(arm.run_of), fix=fix)
            texts = [*arm.train, *arm.generate, *arm.environment.values(), arm.images or ""]
            if isinstance(source, CommandArm):
                texts += [*source.train, *source.environment.values()]
            if seeds is not None and seeds > 1 and not any("seed" in names_in(text) for text in texts):
                raise InputError(
                    self._where(k, "generate" if arm.generate else "images"),
                    expected=f"{{seed}} somewhere in it: the study has {seeds} seeds, of which each run has one",
                    found="none, so that all its runs would be the same",
                    fix="Put {seed} where the command takes its seed, or choose --seeds 1.",
                )

    def _where(self, k: int, key: str) -> str:
        """The line of a key of the k-th arm, or else that of the arm."""
        begin, end = ([*self._begins, len(self._lines)][k : k + 2]) if self._begins else (0, 0)
        return f"{self._line(begin, end, key)}, arm {k + 1}, {key}"

    def _line(self, begin: int, end: int, key: str) -> str:
        for number in self._matching(begin, end, key):
            return f"{self._path}, line {number + 1}"
        first = next(self._matching(0, len(self._lines), "arm"), None)
        if first is None:
            return str(self._path)
        return f"{self._path}, line {(begin if self._begins else first) + 1}"

    def _matching(self, begin: int, end: int, key: str) -> Iterator[int]:
        pattern = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
        return (number for number in range(begin, end) if pattern.match(self._lines[number]))


def _made_by(arm: ArmKind, arms: Mapping[str, ArmKind]) -> Any:
    """What an arm's images are made by, whichever arm trains; its name and its patience are no part of that."""
    if isinstance(arm, PrecisionArm):
        return arm.precision
    source = arm if arm.run_of is None else arms[arm.run_of]
    assert isinstance(source, CommandArm)  # as was checked
    trained = (source.train, source.folder, sorted(source.environment.items())) if source.train else None
    return repr((trained, arm.generate, arm.images, arm.folder, sorted(arm.environment.items())))
