"""What the fuzzer tries: a reader, files that the package wrote, and ways to damage them.

A case is a few small files in a folder. A reader may take it or raise `InputError`; anything else is a fault.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import fuzz_mutations as ways
from fuzz_mutations import BLIND, Mutation, change_json, change_words

Case = dict[str, bytes]  # files by their names in the case's folder

_SAVED = (ways.change_saved, ways.change_saved, ways.change_member(*BLIND), ways.change_zip_record, *BLIND)
_NPZ = (
    ways.change_member(ways.change_npy, ways.change_values),
    ways.change_member(ways.change_npy, ways.change_values),
    ways.change_zip_record,
    *BLIND,
)
_TAR = (ways.change_tar_header, ways.change_tar_header, *BLIND)

#: Ways to damage a file, by its ending.
BY_ENDING: Mapping[str, tuple[Mutation, ...]] = {
    ".json": (change_json, change_json, change_json, *BLIND, change_words),
    ".jsonl": (ways.change_json_line, ways.change_json_line, *BLIND),
    ".npz": _NPZ,
    ".npy": (ways.change_npy, ways.change_values, *BLIND),
    ".pt": _SAVED,
    ".pth": _SAVED,
    ".pts": (change_words, change_words, *BLIND),
    ".csv": (change_words, change_words, *BLIND),
    ".toml": (change_words, change_words, *BLIND),
    ".txt": (change_words, change_words, *BLIND),
    ".zip": (ways.change_member(*BLIND, ways.change_png_chunk), ways.change_zip_record, *BLIND),
    ".tar": _TAR,
    ".gz": (ways.repack(gzip.decompress, gzip.compress, *_TAR), *BLIND),
    ".bz2": (ways.repack(bz2.decompress, bz2.compress, *_TAR), *BLIND),
    ".xz": (ways.repack(lzma.decompress, lzma.compress, *_TAR), *BLIND),
    ".png": (ways.change_png_chunk, *BLIND),
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """A reader, and what it is given."""

    name: str
    seeds: Callable[[Path], list[Case]]  # cases that it takes, made in a folder for that
    read: Callable[[Path], object]  # reads the case that lies in a folder
    kept: tuple[str, ...] = ()  # files of a case that are never damaged
    whole: bool = True  # whether undamaged cases are taken
    mutations: Mapping[str, tuple[Mutation, ...]] = field(default_factory=lambda: BY_ENDING)

    def mutated(self, seeds: list[Case], rng: random.Random) -> Case:
        """Damage a file or two of one of the cases."""
        case = dict(rng.choice(seeds))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            names = [name for name in case if name not in self.kept]
            if not names:
                break
            name = rng.choice(names)
            try:
                case[name] = rng.choice(self.mutations.get(Path(name).suffix.lower(), BLIND))(case[name], rng)
            except Exception:  # what is damaged already has no structure to damage
                case[name] = ways.flip_bits(case[name], rng)
            if rng.random() < 0.02 and len(case) > 1:
                del case[name]
        return case


def write_case(case: Case, folder: Path) -> None:
    for name, content in case.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def files_of(folder: Path) -> Case:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
