"""Which artefacts of a study are finished: known by the hashes of what they were made from and of what they are."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct

from p2phd_eval.config import DataConfig
from p2phd_eval.files import file_sha256, hash_files, names_sha256, remove_unfinished, write_json
from p2phd_eval.generators.data.contents import describe_difference
from p2phd_eval.generators.data.triplets import folder_names
from p2phd_eval.json_files import read_json_or_none
from p2phd_eval.progress import OnProgress, unwatched

_RECORDS = "records"
_DATA = "data.json"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What generating images took."""

    images_per_second: float | None  # of the networks; None where it is not known, as everywhere here
    peak_memory_bytes: int | None  # allocated on a CUDA device
    generator_bytes: int | None  # of what generates, on the disk


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """A record of one finished artefact, written when it is whole."""

    inputs: dict[str, str]  # hashes of all that it was made from
    sha256: str  # its content's hash
    seconds: float  # that the call which finished it took
    cost: Cost | None = None  # of generated images; a record of before has none
    files: tuple[str, ...] | None = None  # of a folder, those that count; others may come beside them. None: all


def finished(study: Path, name: str, inputs: Mapping[str, str], content: Path) -> Artefact | None:
    """Return the record of an artefact if it is there, whole, and made from these inputs; otherwise None.

    `study`: the study folder. `name`: what the artefact is called, such as "runs/fp32-s0/train". `inputs`: hashes of
    what it would be made from now. `content`: file or folder that it is.
    """
    record = read_record(study, name)
    if record is None or record.inputs != dict(inputs) or not content.exists():
        return None
    return record if is_whole(record, content) else None


def is_whole(artefact: Artefact, content: Path) -> bool:
    """Whether a file or folder still is what was recorded of it."""
    if artefact.files is not None and not all((content / name).is_file() for name in artefact.files):
        return False
    return content_sha256(content, files=artefact.files) == artefact.sha256


def read_record(study: Path, name: str) -> Artefact | None:
    """Return the record of an artefact, whatever has become of it since; None if there is none that can be read."""
    return read_json_or_none(Artefact, _path(study, name))


def record(
    study: Path,
    name: str,
    inputs: Mapping[str, str],
    content: Path,
    seconds: float,
    cost: Cost | None = None,
    *,
    files_may_come: bool = False,
) -> Artefact:
    """Write down that an artefact is whole; `files_may_come`: later ones in its folder are none of its own."""
    files = tuple(sorted(path.relative_to(content).as_posix() for path in _files(content))) if files_may_come else None
    sha256 = content_sha256(content, files=files)
    artefact = Artefact(inputs=dict(inputs), sha256=sha256, seconds=seconds, cost=cost, files=files)
    write_json(_path(study, name), asdict(artefact))
    return artefact


def remove_unfinished_records(study: Path, name: str = "") -> None:
    """Remove what killed processes left half written of the records of one run, or of the study as a whole."""
    folder = study / _RECORDS / name
    if folder.is_dir():
        remove_unfinished(folder)


def content_sha256(content: Path, *, files: Sequence[str] | None = None) -> str:
    """Return the hash of a file, or of the names and contents of all files below a folder, or of these `files`."""
    if content.is_file():
        return file_sha256(content)
    found = _files(content) if files is None else [content / name for name in files]
    return names_sha256(_hashes(content, found, unwatched))


def _files(folder: Path) -> list[Path]:
    # What a killed process left half written is no content.
    return [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."]


def read_data(
    data: Path, config: DataConfig, phases: Sequence[str], on_progress: OnProgress = unwatched
) -> dict[str, str]:
    """Return the hash of each label, instance and photo file of some phases, by its name below the data set."""
    folders = [data / name for phase in phases for name in folder_names(phase, config) if name is not None]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return _hashes(data, files, on_progress)


def data_sha256(files: Mapping[str, str]) -> str:
    """Return the hash of the names and contents that `read_data` returned."""
    return names_sha256(files)


def save_data(study: Path, files: Mapping[str, str]) -> None:
    """Write down what the data set of a study holds, so that a file which is changed later can be named."""
    write_json(study / _DATA, {"sha256": data_sha256(files), "files": files})


def describe_change(study: Path, before_sha256: str, data: Path, files: Mapping[str, str]) -> str:
    """Say in which files a data set differs from the one that a study began with.

    `before_sha256`: its hash. `data`, `files`: where it is now, and what `read_data` returned.
    """
    before = read_json_or_none(_StudyData, study / _DATA)
    if before is not None and before.sha256 == before_sha256:
        return describe_difference(before.files, files)
    # An earlier version kept no more than the hash of all.
    newest = max(files, key=lambda name: (data / name).stat().st_mtime, default="nothing is there")
    return f"others; last changed was {newest}"


class _StudyData(Struct, frozen=True, kw_only=True):
    sha256: str
    files: dict[str, str]


def values_sha256(values: Any) -> str:
    """Return the hash of JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _hashes(root: Path, files: Sequence[Path], on_progress: OnProgress) -> dict[str, str]:
    names = (path.relative_to(root).as_posix() for path in files)
    return dict(zip(names, hash_files(files, on_progress), strict=True))


def _path(study: Path, name: str) -> Path:
    return study / _RECORDS / f"{name}.json"
