"""Settings found in several places that must not contradict one another."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from p2phd_eval.config import DataConfig, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.original.options import original_name


@dataclass(frozen=True, kw_only=True)
class Inferred:
    """A configuration and how it was found."""

    config: TrainConfig
    sources: dict[str, str]  # dotted setting -> "keys" | "opt.txt" | "option" | "assumed"
    notes: tuple[str, ...]


@dataclass(kw_only=True)
class Findings:
    """What is found out about an original's training, setting by setting.

    A setting is a dotted name of `TrainConfig`, such as "generator.ngf".
    """

    options_file: Path
    recorded: dict[str, Any]  # in opt.txt
    given: dict[str, Any]  # by the user; None: not given
    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def known(self, setting: str) -> Any:
        """Return what the user or opt.txt says, None if neither does; raise InputError if they differ."""
        given, recorded = self.given.get(setting), self.recorded.get(setting)
        if given is not None and recorded is not None and given != recorded:
            raise self._contradiction(setting, f"{setting} {given!r}, as the option says")
        return recorded if given is None else given

    def settle(self, setting: str, *, seen: Any = None, evidence: Path | None = None, assumed: Any = None) -> None:
        """Settle on what `evidence` shows, else on what is known, else on what is assumed (our default).

        Raises `InputError` if what is known is not what is seen; both are named.
        """
        known = self.known(setting)
        if evidence is not None:
            if known not in (None, seen):
                raise self._contradiction(setting, f"{setting} {seen!r}, by keys and shapes of {evidence.name}")
            self.values[setting], self.sources[setting] = seen, "keys"
        elif known is not None:
            self.values[setting] = known
            self.sources[setting] = self.options_file.name if setting in self.recorded else "option"
        else:
            self.values[setting] = _default(setting) if assumed is None else assumed
            self.sources[setting] = "assumed"

    def result(self) -> Inferred:
        """Return the configuration; sizes that these networks cannot take are rounded down, with a note."""
        document = TrainConfig().to_dict()
        for setting, value in self.values.items():
            *parts, name = setting.split(".")
            part = document
            for key in parts:
                part = part[key]
            part[name] = value
        try:
            data = DataConfig.from_dict(document["data"])
            # With "none" no size is checked, as the multiple is known from the finished configuration only.
            document["data"]["resize"] = "none"
            config = TrainConfig.from_dict(document)
            multiple = config.size_multiple
            sizes = {name: getattr(data, name) for name in ("load_size", "crop_size")}
            rounded = {name: max(size // multiple, 1) * multiple for name, size in sizes.items()}
            config = replace(config, data=replace(data, **rounded))
        except InputError as error:
            raise InputError(
                f"{self.options_file.parent}, {error.where}",
                expected=error.expected,
                found=error.found,
                fix=f"Correct it in {self.options_file.name}." if self.recorded else "",
            ) from error
        notes = tuple(
            f"{name} {sizes[name]} is rounded down to {rounded[name]}: the networks take multiples of {multiple}."
            for name in sizes
            if sizes[name] != rounded[name] and self.sources[f"data.{name}"] != "assumed"
        )
        order = [f"{part}.{name}" for part, names in document.items() if isinstance(names, dict) for name in names]
        sources = {name: self.sources[name] for name in (*order, *document) if name in self.sources}
        return Inferred(config=config, sources=sources, notes=(*self.notes, *notes))

    def _contradiction(self, setting: str, expected: str) -> InputError:
        if setting in self.recorded:
            return InputError(
                f"{self.options_file}, {original_name(setting)}",
                expected=expected,
                found=repr(self.recorded[setting]),
                fix=f"Restore the {self.options_file.name} that belongs to the networks, or remove it.",
            )
        return InputError(
            f"option for {setting}", expected=expected, found=repr(self.given[setting]), fix="Leave it out."
        )


def _default(setting: str) -> Any:
    value: Any = TrainConfig()
    for name in setting.split("."):
        value = getattr(value, name)
    return value
