"""Which artefacts of a study are finished: known by the hashes of what they were made from and of what they are."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from p2phd_eval.config import DataConfig
from p2phd_eval.files import file_sha256, name_bytes, remove_unfinished, write_json
from p2phd_eval.generators.data.triplets import folder_names
from p2phd_eval.json_files import read_json_or_none

_RECORDS = "records"


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """A record of one finished artefact, written when it is whole."""

    inputs: dict[str, str]  # hashes of all that it was made from
    sha256: str  # its content's hash
    seconds: float  # that the call which finished it took


def finished(study: Path, name: str, inputs: Mapping[str, str], content: Path) -> Artefact | None:
    """Return the record of an artefact if it is there, whole, and made from these inputs; otherwise None.

    `study`: the study folder. `name`: what the artefact is called, such as "runs/fp32-s0/train". `inputs`: hashes of
    what it would be made from now. `content`: file or folder that it is.
    """
    record = read_record(study, name)
    if record is None or record.inputs != dict(inputs) or not content.exists():
        return None
    return record if content_sha256(content) == record.sha256 else None


def read_record(study: Path, name: str) -> Artefact | None:
    """Return the record of an artefact, whatever has become of it since; None if there is none that can be read."""
    return read_json_or_none(Artefact, _path(study, name))


def record(study: Path, name: str, inputs: Mapping[str, str], content: Path, seconds: float) -> Artefact:
    """Write down that an artefact is whole."""
    artefact = Artefact(inputs=dict(inputs), sha256=content_sha256(content), seconds=seconds)
    write_json(_path(study, name), asdict(artefact))
    return artefact


def remove_unfinished_records(study: Path, name: str = "") -> None:
    """Remove what killed processes left half written of the records of one run, or of the study as a whole."""
    folder = study / _RECORDS / name
    if folder.is_dir():
        remove_unfinished(folder)


def content_sha256(content: Path) -> str:
    """Return the hash of a file, or of the names and contents of all files below a folder."""
    if content.is_file():
        return file_sha256(content)
    # What a killed process left half written is no content.
    return _files_sha256(content, [path for path in content.rglob("*") if path.is_file() and path.name[0] != "."])


def data_sha256(data: Path, config: DataConfig, phases: Sequence[str]) -> str:
    """Return the hash of the names and contents of all label, instance and photo files of some phases."""
    folders = [data / name for phase in phases for name in folder_names(phase, config) if name is not None]
    return _files_sha256(data, [path for folder in folders for path in folder.rglob("*") if path.is_file()])


def values_sha256(values: Any) -> str:
    """Return the hash of JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _files_sha256(root: Path, files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in files):
        digest.update(name_bytes(f"{name}\0{file_sha256(path)}\n"))
    return digest.hexdigest()


def _path(study: Path, name: str) -> Path:
    return study / _RECORDS / f"{name}.json"
