"""Which arms are compared, and which folders are their runs: as the user names them, or as manifests say."""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from msgspec import Struct

from p2phd_eval.config import recipe_of
from p2phd_eval.errors import InputError, shown
from p2phd_eval.images.image_folder import MANIFEST, Calibration
from p2phd_eval.json_files import read_json_as
from p2phd_eval.stores.store_path import AnyPath, StorePath, as_path

_EXAMPLES = (
    "Give one run an arm: p2phd-eval compare REAL BASELINE CANDIDATE\n"
    "or several: p2phd-eval compare REAL --baseline A B C --candidate D E F\n"
    "or runs that say which arm they belong to: p2phd-eval compare REAL --runs STUDY"
)
_FLOOR_EXAMPLES = (
    "Give one run an arm: p2phd-eval floor BASELINE CANDIDATE --benign AGAIN COMPILED\n"
    "or several: p2phd-eval floor --baseline A B C --candidate D E F --benign G H I\n"
    "A benign variant is the baseline, made again in a way that ought to change nothing: the same seed once more, "
    "compiled, in another batch size, with another attention kernel."
)
# What shaped the images, in a manifest, besides its config. The seed of sampling is no part of it: it draws styles.
_PRECISIONS = ("training_precision", "sampling_precision")
_ARITHMETICS = ("training_arithmetic", "sampling_arithmetic")  # of these precisions: "native" or "emulated"
_GENERATION = {"sampling_precision", "engine", "calibration"}  # together one way to generate
_SAMPLING = (
    "training_step",
    "engine",
    "phase",
    "style",
    "pins",
)  # None in a manifest of a version that did not know it


@dataclass(frozen=True, kw_only=True)
class GivenFolders:
    """What stood after one of the options."""

    name: str | None  # the arm's name, where the first folder had NAME= before it
    folders: tuple[AnyPath, ...]  # one or more


@dataclass(frozen=True, kw_only=True)
class ArmFolders:
    """One arm: the images of its training runs."""

    name: str
    folders: tuple[AnyPath, ...]  # one a run (training seed): image folders, archives, lists or features


def read_arms(
    positional: Sequence[str | os.PathLike[str]],
    baselines: Sequence[GivenFolders],
    candidates: Sequence[GivenFolders],
    runs: Sequence[GivenFolders],
    *,
    examples: str = _EXAMPLES,
) -> tuple[tuple[ArmFolders, ...], tuple[str, ...]]:
    """Return the arms that the user named, in one of three ways.

    Raises `InputError` if there is no baseline or no candidate, ways are mixed, a folder is given twice, or two arms
    have one name; of runs, if one has no manifest, one is given twice as two folders of samples, or not exactly one arm
    is fp32.

    Parameters
    ----------
    positional : sequence of path-like
        The baseline's folder and those of the candidates, one run each. Arms are named as `short_names` does.
    baselines, candidates : sequence of GivenFolders
        One entry for each time that the option was given. An arm without a name is called by what the paths of its
        runs have in common, or else by "baseline" and "candidate".
    runs : sequence of GivenFolders
        Image folders with a manifest, run folders whose `samples` has one or holds such folders, folders of these,
        or a study. Runs whose manifests agree in all but seeds are one arm. It is called by the precision of its
        training, and by what else tells it from other arms of that precision. The fp32 arm is the baseline; of several
        the one sampled in fp32.
    examples : str
        Ways to name arms, for errors: of the command that reads them.

    Returns
    -------
    arms : tuple of ArmFolders
        The baseline first; two or more. Folders that are not `runs` need not exist.
    notes : tuple of str
        What the reader of the verdict should know of how the runs were made.
    """
    ways = {"folders after REAL": positional, "--baseline": baselines, "--candidate": candidates, "--runs": runs}
    _require_one_way(ways, examples)
    if runs:
        names = [f"{group.name}=" for group in runs if group.name is not None]
        if names:
            raise InputError("--runs", expected="folders alone: their manifests name the arms", found=", ".join(names))
        folders = [images for group in runs for folder in group.folders for images in _image_folders(_here(folder))]
        require_distinct(folders)
        return _arms_of_runs([_read_run(folder) for folder in folders])
    given = [*(GivenFolders(name=None, folders=(as_path(folder),)) for folder in positional), *baselines, *candidates]
    require_distinct([folder for group in given for folder in group.folders])
    numbers = [""] if len(given) == 2 else [f" {i}" for i in range(1, len(given))]
    names = _names(given, ["baseline", *(f"candidate{number}" for number in numbers)])
    return tuple(ArmFolders(name=name, folders=group.folders) for name, group in zip(names, given, strict=True)), ()


@dataclass(frozen=True, kw_only=True)
class FloorFolders:
    """The arms of a noise floor."""

    baseline: ArmFolders
    candidates: tuple[ArmFolders, ...]
    benign: tuple[ArmFolders, ...]


def read_floor_arms(
    positional: Sequence[str | os.PathLike[str]],
    baselines: Sequence[GivenFolders],
    candidates: Sequence[GivenFolders],
    benign: Sequence[GivenFolders],
) -> FloorFolders:
    """Return the arms of a noise floor that the user named.

    Raises `InputError` if there is no baseline, no candidate or no benign variant, ways are mixed, a folder is given
    twice, or two arms have one name.

    Parameters
    ----------
    positional : sequence of path-like
        The baseline's folder and those of the candidates, one run each; arms are named as by `read_arms`.
    baselines, candidates : sequence of GivenFolders
        In place of these: one entry for each time that the option was given.
    benign : sequence of GivenFolders
        Likewise. Where the baseline has one run, each folder is a variant.
    """
    _require_one_way({"folders": positional, "--baseline": baselines, "--candidate": candidates}, _FLOOR_EXAMPLES)
    if not benign:
        raise InputError("--benign", expected="one folder or more", found="none", fix=_FLOOR_EXAMPLES)
    given = [*(GivenFolders(name=None, folders=(as_path(folder),)) for folder in positional), *baselines, *candidates]
    variants = list(benign)
    if len(given[0].folders) == 1:
        variants = [
            GivenFolders(name=group.name if len(group.folders) == 1 else None, folders=(folder,))
            for group in benign
            for folder in group.folders
        ]
    count, every = len(given), [*given, *variants]
    require_distinct([folder for group in every for folder in group.folders])
    parts = [
        "baseline",
        *(f"candidate {k}" for k in range(1, count)),
        *(f"benign {k + 1}" for k in range(len(variants))),
    ]
    names = _names(every, parts)
    arms = [ArmFolders(name=name, folders=group.folders) for name, group in zip(names, every, strict=True)]
    return FloorFolders(baseline=arms[0], candidates=tuple(arms[1:count]), benign=tuple(arms[count:]))


def _require_one_way(ways: Mapping[str, Sequence[Any]], examples: str) -> None:
    """Raise `InputError` unless arms are named in one way; the first of them is that by folders without an option."""
    used, first = [way for way, given in ways.items() if given], next(iter(ways))
    if used not in ([first], ["--baseline", "--candidate"], ["--runs"]):
        found = " and ".join(used) + (" alone" if len(used) == 1 else "") if used else "neither"
    elif len(ways[first]) == 1:
        found = first.replace("folders", "one folder")
    elif len(ways["--baseline"]) > 1:
        found = "--baseline more than once, which takes several folders"
    else:
        return
    raise InputError("arms", expected="one baseline and a candidate, named in one way", found=found, fix=examples)


def require_distinct(folders: Sequence[AnyPath]) -> None:
    """Raise InputError if a folder is given twice."""
    for folder, count in Counter(folder.resolve() for folder in folders).most_common(1):
        if count > 1:
            raise InputError(
                str(folder), expected="each folder in one arm, once", found=f"this one {count} times", fix="Remove one."
            )


def short_names(folders: Sequence[AnyPath]) -> list[str]:
    """Name folders by what distinguishes them: `runs/fp32/samples`, `runs/amp/samples` become "fp32", "amp"."""
    parts = [folder.parts for folder in folders]
    shortest = min(len(part) for part in parts)
    start = 0
    while start < shortest and len({part[start] for part in parts}) == 1:
        start += 1
    end = 0
    while end < shortest - start and len({part[-1 - end] for part in parts}) == 1:
        end += 1
    names = ["/".join(part[start : len(part) - end]) for part in parts]
    return names if all(names) else [str(folder) for folder in folders]


def _names(given: Sequence[GivenFolders], parts: Sequence[str]) -> list[str]:
    """Name arms as the user did, by what their folders have in common, or else by the parts that they play."""
    short = iter(short_names([folder for group in given for folder in group.folders]))
    common = [_common_words([next(short) for _ in group.folders]) for group in given]
    names = [group.name or words or part for group, words, part in zip(given, common, parts, strict=True)]
    if len(set(names)) < len(names):
        names = [group.name or part for group, part in zip(given, parts, strict=True)]
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise InputError("arms", expected="a name of its own for each", found=f"{name!r} {count} times")
    return names


def _common_words(names: Sequence[str]) -> str:
    """The words that all begin and end with: of "fp32-0" and "fp32-1", or "s0/fp32" and "s1/fp32", it is "fp32"."""
    if len(names) == 1:
        return names[0]
    words = [re.split(r"([/._-]+)", name) for name in names]
    begin = _shared_start(words)
    end = _shared_start([each[len(begin) :][::-1] for each in words])[::-1]
    return "-".join(filter(None, ("".join(part).strip("/._-") for part in (begin, end))))


def _shared_start(lists: Sequence[Sequence[str]]) -> list[str]:
    # zip ends with the shortest.
    return [column[0] for column in takewhile(lambda column: len(set(column)) == 1, zip(*lists, strict=False))]


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What the manifest of an image folder says of the run that made it."""

    folder: Path
    seed: int  # the training's seed
    checkpoint: str  # SHA-256
    recipe: dict[str, Any]  # all else that shaped the images: runs that agree in it are seeds of one arm


def _here(folder: AnyPath) -> Path:
    if isinstance(folder, StorePath):
        raise InputError(
            "--runs",
            expected="folders of this machine",
            found=str(folder),
            fix="Name the images in a store with --baseline and --candidate.",
        )
    return folder


def _image_folders(given: Path) -> list[Path]:
    """The image folders with a manifest that a folder stands for."""
    if (given / "study.json").is_file():
        given = given / "runs"
    own = _with_manifest(given)
    if own:
        return own
    inside = sorted(child for child in given.iterdir() if child.is_dir()) if given.is_dir() else []
    found = {folder: _with_manifest(folder) for folder in inside}
    # Beside the runs of a study stand other folders; a run without samples would be missed without a word.
    unfinished = [folder for folder, images in found.items() if not images and (folder / "config.json").exists()]
    images = [folder for folders in found.values() for folder in folders]
    if unfinished or not images:
        raise InputError(
            str(unfinished[0] if unfinished else given),
            expected=f"an image folder with {MANIFEST}, a run folder with one in samples/, or a folder of such folders",
            found=f"no {MANIFEST}" if given.is_dir() else "a file" if given.exists() else "nothing there",
            fix="Make the images with: p2phd-eval generate RUN DATA --out RUN/samples\n"
            "Name images that something else made with --baseline and --candidate.",
        )
    return images


def _with_manifest(folder: Path) -> list[Path]:
    """The folder itself, a run's samples, or those of each precision of generation, as a study makes them."""
    for places in ([folder], [folder / "samples"], sorted(folder.glob("samples/*"))):
        found = [place for place in places if (place / MANIFEST).is_file()]
        if found:
            return found
    return []


def _read_run(folder: Path) -> _Run:
    path, wanted = folder / MANIFEST, "the manifest of images that `p2phd-eval generate` made"
    fix = "Generate the images again, or name them with --baseline and --candidate."
    manifest = read_json_as(_Manifest, path, expected=wanted, fix=fix)
    images = {key: getattr(manifest, key) for key in (*_PRECISIONS, *_SAMPLING)}
    execution = manifest.config.get("execution")
    trained = execution.get("arithmetic") if isinstance(execution, dict) else None
    images |= dict(zip(_ARITHMETICS, (trained or "native", manifest.sampling_arithmetic), strict=True))
    if manifest.calibration is not None:
        images["calibration"] = manifest.calibration.sha256
    seed = manifest.config.get("seed")
    try:
        recipe = recipe_of(manifest.config)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}, config", expected=wanted, found=f"{type(error).__name__}: {error}", fix=fix
        ) from error
    if type(seed) is not int:
        raise InputError(f"{path}, config, key 'seed'", expected="a whole number", found=shown(seed), fix=fix)
    return _Run(folder=folder, seed=seed, checkpoint=manifest.checkpoint_sha256, recipe=images | recipe)


class _Manifest(Struct, frozen=True):
    # Of it what is read here; keys that a version did not know are None.
    config: dict[str, Any]
    checkpoint_sha256: str
    training_precision: str
    sampling_precision: str
    sampling_arithmetic: str = "native"
    training_step: int | None = None
    engine: str = "torch"
    calibration: Calibration | None = None
    phase: str | None = None
    style: str | None = None
    pins: dict[str, int] = {}


def _arms_of_runs(runs: Sequence[_Run]) -> tuple[tuple[ArmFolders, ...], tuple[str, ...]]:
    groups: list[list[_Run]] = []
    for run in runs:
        alike = [group for group in groups if not differing_keys([group[0].recipe, run.recipe])]
        if alike:
            alike[0].append(run)
        else:
            groups.append([run])
    recipes = [group[0].recipe for group in groups]
    names = [_recipe_name(recipe, recipes) for recipe in recipes]
    named = "Name the arms: p2phd-eval compare REAL --baseline FOLDER... --candidate FOLDER..."
    if len(groups) == 1:
        raise InputError("--runs", expected="two or more arms", found=f"{len(runs)} of one, {names[0]}", fix=named)
    fp32 = [i for i, recipe in enumerate(recipes) if recipe["training_precision"] == "fp32"]
    if len(fp32) > 1:
        fp32 = [i for i in fp32 if recipes[i]["sampling_precision"] == "fp32"] or fp32
    if len(fp32) > 1:
        fp32 = [i for i in fp32 if recipes[i]["engine"] == "torch"] or fp32
    if len(fp32) != 1:
        found = "; ".join(names[i] for i in fp32 or range(len(names)))
        raise InputError("--runs", expected="one fp32 arm, the baseline", found=found, fix=named)
    base = fp32[0]
    order = sorted(range(len(groups)), key=lambda i: i != base)
    arms, notes = [], []
    for i in order:
        group = sorted(groups[i], key=lambda run: run.seed)
        arms.append(ArmFolders(name=names[i], folders=tuple(run.folder for run in group)))
        notes += _seed_notes(names[i], group) + _recipe_notes(names[i], recipes[i], names[base], recipes[base])
    return tuple(arms), tuple(notes)


def _recipe_name(recipe: dict[str, Any], recipes: Sequence[dict[str, Any]]) -> str:
    precision = str(recipe["training_precision"])
    alike = [other for other in recipes if other["training_precision"] == precision]
    others = ", ".join(f"{key}={recipe.get(key)}" for key in differing_keys(alike))
    return f"{precision} ({others})" if others else precision


def differing_keys(recipes: Sequence[dict[str, Any]]) -> list[str]:
    """Return the keys in which recipes differ."""
    keys = dict.fromkeys(key for recipe in recipes for key in recipe)
    return [key for key in keys if any(recipe.get(key) != recipes[0].get(key) for recipe in recipes)]


def _seed_notes(name: str, group: Sequence[_Run]) -> list[str]:
    notes = []
    for i, run in enumerate(group):
        for other in group[:i]:
            if run.seed != other.seed:
                continue
            if run.checkpoint == other.checkpoint:
                raise InputError(
                    str(run.folder),
                    expected=f"another training run of {name} than {other.folder}",
                    found="the same checkpoint",
                    fix="Leave one of them out: the same run twice is no second seed.",
                )
            notes.append(
                f"{run.folder} and {other.folder}, both {name}, have the same training seed {run.seed}: two runs of a "
                "seed may differ less than two seeds do"
            )
    return notes


def _recipe_notes(name: str, recipe: dict[str, Any], baseline: str, base: dict[str, Any]) -> list[str]:
    notes = [
        f"{name}: {what} in {recipe[precision]} was emulated: quality as on tensor cores, speed not"
        for what, precision, arithmetic in zip(("training", "generation"), _PRECISIONS, _ARITHMETICS, strict=True)
        if recipe[arithmetic] == "emulated"
    ]
    differing = [key for key in differing_keys([recipe, base]) if key not in _ARITHMETICS]
    beyond = [key for key in differing if key != "training_precision"]
    if beyond and not set(differing) <= _GENERATION:
        values = ", ".join(f"{key} {recipe.get(key)} instead of {base.get(key)}" for key in beyond)
        what = f"{name} differs from {baseline} in more than one precision: {values}; the verdict is on all at once"
        notes.append(what)
    return notes
