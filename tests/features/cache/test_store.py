from __future__ import annotations

import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.features.cache.entry import FeatureKey
from p2phd_eval.features.cache.store import FeatureCache
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.identity import NetworkIdentity
from tests.features.cache.entries import IDENTITY, KEY, make
from tests.features.feature_sets import feature_set

ROOT = Path(__file__).parents[3]

# What a process does that needs features: it computes them, slowly, unless they are there. It says when it waits.
FILL = """
import sys, time
from pathlib import Path
from p2phd_eval.features.cache.store import FeatureCache
from tests.features.cache.entries import KEY, make
folder, marks = Path(sys.argv[1]), Path(sys.argv[2])
cache = FeatureCache(folder, note=lambda text: print(text, flush=True))
with cache.locked(KEY):
    features = cache.get(KEY)
    if features is None:
        with marks.open("a") as stream:
            stream.write("computed\\n")
        print("computing", flush=True)
        {work}
        features = cache.put(KEY, make())
print(float(features.values.sum()), flush=True)
"""


def assert_equal(found: FeatureSet | None, expected: FeatureSet) -> None:
    assert found is not None
    assert np.array_equal(found.values, expected.values)
    assert found.values.dtype == np.float32
    assert np.array_equal(found.sizes, expected.sizes)
    assert found.sizes.dtype == np.int32
    assert (found.ids, found.stamp) == (expected.ids, expected.stamp)


def start(script: str, *arguments: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *(str(argument) for argument in arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


class Notes(list[str]):
    """Collects the notes of a cache."""

    def __call__(self, text: str) -> None:
        self.append(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "Zwischenspeicher für Merkmale 名" / "deep"


def test_what_was_put_is_found_and_mapped_into_memory(folder: Path) -> None:
    features, cache = make(), FeatureCache(folder)
    assert cache.get(KEY) is None
    for found in (cache.put(KEY, features), cache.get(KEY), FeatureCache(folder).get(KEY)):
        assert_equal(found, features)
        assert found is not None
        assert isinstance(found.values, np.memmap)
        assert not found.values.flags.writeable
    second = make(1)
    assert_equal(cache.put(KEY, second), second)  # the last one stays


def test_an_entry_that_does_not_say_what_is_odd_is_made_again(folder: Path) -> None:
    before = make()
    FeatureCache(folder).put(KEY, dataclasses.replace(before, stamp=dataclasses.replace(before.stamp, oddities=None)))
    notes = Notes()
    assert FeatureCache(folder, note=notes).get(KEY) is None
    features = make()
    stamp = dataclasses.replace(features.stamp, oddities={"dark": 2}, odd_examples={"dark": "bild 3 ü/名"})
    features = dataclasses.replace(features, stamp=stamp)
    assert_equal(FeatureCache(folder, note=notes).put(KEY, features), features)
    assert_equal(FeatureCache(folder, note=notes).get(KEY), features)


def test_it_is_read_without_torch(folder: Path) -> None:
    FeatureCache(folder).put(KEY, make())
    script = (
        "import sys; from pathlib import Path; from p2phd_eval.features.cache.store import FeatureCache\n"
        "from tests.features.cache.entries import KEY\n"
        "print(len(FeatureCache(Path(sys.argv[1])).get(KEY)), 'torch' in sys.modules)"
    )
    process = start(script, folder)
    assert process.communicate()[0].split() == ["8", "False"]


@pytest.mark.parametrize("field", [*(field.name for field in dataclasses.fields(NetworkIdentity)), "images", "tool"])
def test_another_key_is_not_found(folder: Path, field: str) -> None:
    cache = FeatureCache(folder)
    cache.put(KEY, make())
    if field == "images":
        other = dataclasses.replace(KEY, images_sha256="b" * 64)
    elif field == "tool":
        other = dataclasses.replace(KEY, tool="another version")
    else:
        value = getattr(IDENTITY, field)
        changed = value + 1 if isinstance(value, int) else "other"
        other = dataclasses.replace(KEY, identity=dataclasses.replace(IDENTITY, **{field: changed}))
    assert other.digest != KEY.digest
    assert cache.get(other) is None
    assert cache.get(KEY) is not None


def test_the_digest_is_of_the_key_alone() -> None:
    identity = NetworkIdentity(**dict(reversed(dataclasses.asdict(IDENTITY).items())))
    assert FeatureKey(images_sha256="a" * 64, identity=identity).digest == KEY.digest


def test_images_without_a_hash_are_not_kept() -> None:
    with pytest.raises(InputError, match="the hash of the images"):
        FeatureKey(identity=IDENTITY, images_sha256="")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def edit(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    """Change a record, whose own hash then still belongs to the old content."""
    record = json.loads(path.read_text())
    change(record["content"])
    path.write_text(json.dumps(record))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "values cut short": lambda entry: cut(entry / "features.npy"),
    "no values": lambda entry: (entry / "features.npy").unlink(),
    "a flipped bit of a value": lambda entry: flip(entry / "features.npy", -3),
    "a flipped bit of the header": lambda entry: flip(entry / "features.npy", 20),
    "pickled values": lambda entry: np.save(entry / "features.npy", np.array([{}], dtype=object)),
    "record cut short": lambda entry: cut(entry / "entry.json"),
    "an empty record": lambda entry: (entry / "entry.json").write_bytes(b""),
    "a list as record": lambda entry: (entry / "entry.json").write_text("[]"),
    "no text as record": lambda entry: (entry / "entry.json").write_bytes(b"\xff\xfe\x00"),
    "another id": lambda entry: edit(entry / "entry.json", lambda content: content.update(ids=["x"] * 8)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_entry_is_removed_with_a_note_and_made_again(folder: Path, damage: Callable[[Path], object]) -> None:
    notes = Notes()
    cache = FeatureCache(folder, note=notes)
    cache.put(KEY, make())
    damage(folder / KEY.digest)
    assert cache.get(KEY) is None
    (note,) = notes
    assert f"{KEY.digest} was damaged (" in note
    assert "computed again" in note
    assert not list(folder.iterdir())
    assert cache.get(KEY) is None
    assert_equal(cache.put(KEY, make()), make())
    assert len(notes) == 1


def test_values_of_another_shape_are_damage(folder: Path) -> None:
    notes = Notes()
    features = feature_set(np.zeros((8, IDENTITY.dims + 1)))
    assert FeatureCache(folder, note=notes).put(KEY, features) is features
    assert "holds float32 (8, 7)" in notes[0]


def test_an_entry_under_another_name_is_not_believed(folder: Path) -> None:
    notes = Notes()
    cache = FeatureCache(folder, note=notes)
    cache.put(KEY, make())
    other = dataclasses.replace(KEY, images_sha256="b" * 64)
    (folder / KEY.digest).rename(folder / other.digest)
    assert cache.get(other) is None
    assert "its record is of other features" in notes[0]


def test_two_processes_compute_once(folder: Path, tmp_path: Path) -> None:
    marks, go = tmp_path / "marks", tmp_path / "go"
    script = FILL.format(work="while not Path(sys.argv[3]).exists(): time.sleep(0.01)")
    first = start(script, folder, marks, go)
    assert line_of(first) == "computing"
    second = start(script, folder, marks, go)
    assert line_of(second) == "Another process computes these features; waiting for it."
    go.touch()
    results = [process.communicate()[0].strip() for process in (first, second)]
    assert results == [str(float(make().values.sum()))] * 2
    assert marks.read_text().splitlines() == ["computed"]


def test_a_process_killed_while_it_writes_leaves_nothing_to_read(folder: Path, tmp_path: Path) -> None:
    """It is killed when all of its entry is written but for the rename."""
    stop = "import p2phd_eval.features.cache.store as m; write = m.write_entry; "
    stop += "m.write_entry = lambda *a: (write(*a), print('written', flush=True), time.sleep(60))"
    process = start(FILL.format(work=stop), folder, tmp_path / "marks")
    assert [line_of(process), line_of(process)] == ["computing", "written"]
    cache, notes = FeatureCache(folder), Notes()
    assert cache.clear().in_use == 1
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(list(folder.glob("*.part"))) == 1
    assert (cache.get(KEY), cache.entries()) == (None, ())
    with FeatureCache(folder, note=notes).locked(KEY):  # nobody blocks it
        assert not list(folder.glob("*.part"))
        assert_equal(cache.put(KEY, make()), make())
    assert notes == []


def test_an_error_under_the_lock_comes_through_and_frees_it(folder: Path) -> None:
    cache = FeatureCache(folder)
    with pytest.raises(OSError, match="of the user"), cache.locked(KEY):
        raise OSError("of the user")
    with cache.locked(KEY):
        assert cache.get(KEY) is None


def test_a_full_disk_is_a_note(folder: Path) -> None:
    notes = Notes()
    cache, features = FeatureCache(folder, note=notes), make(n=1000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        assert cache.put(KEY, features) is features
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (note,) = notes
    assert note == f"The features are not kept: {folder} cannot be written (File too large)."
    assert not list(folder.iterdir())


@pytest.mark.parametrize("place", ["parent", "folder"])
def test_a_folder_that_cannot_be_made_is_a_note(folder: Path, place: str) -> None:
    obstacle = folder if place == "folder" else folder.parent
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    obstacle.write_text("a file in its place")
    notes, features = Notes(), make()
    cache = FeatureCache(folder, note=notes)
    with cache.locked(KEY):
        assert cache.get(KEY) is None
        assert cache.put(KEY, features) is features
    assert len(notes) == 1
    assert "The features are not kept" in notes[0]
    assert (cache.entries(), cache.clear().removed) == ((), 0)


def test_entries_come_by_their_last_use(folder: Path) -> None:
    cache = FeatureCache(folder)
    keys = [dataclasses.replace(KEY, images_sha256=letter * 64) for letter in "abc"]
    for age, key in enumerate(keys):
        cache.put(key, make())
        os.utime(folder / key.digest / "entry.json", (1e9 - age, 1e9 - age))
    assert [entry.digest for entry in cache.entries()] == [key.digest for key in keys]
    cache.get(keys[2])
    first = cache.entries()[0]
    assert first.digest == keys[2].digest
    assert (first.source, first.n, first.dims, first.weights) == ("Bilder für alle", 8, 6, "test")
    assert first.size == sum(path.stat().st_size for path in (folder / first.digest).iterdir())


def test_clearing_removes_what_is_the_caches_alone(folder: Path) -> None:
    cache = FeatureCache(folder)
    keys = [dataclasses.replace(KEY, images_sha256=letter * 64) for letter in "abcd"]
    kept = [cache.put(key, make()) for key in keys]
    (folder / keys[1].digest / "entry.json").write_text("damaged")
    cut(folder / keys[2].digest / "features.npy")
    (folder / "notes of the user").mkdir()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    with cache.locked(keys[3]):
        cleared = cache.clear()
    assert (cleared.removed, cleared.in_use) == (3, 1)
    assert [entry.digest for entry in cache.entries()] == [keys[3].digest]
    last = cache.clear()
    assert (last.removed, last.in_use, cleared.freed + last.freed) == (1, 0, size)
    assert [path.name for path in folder.iterdir()] == ["notes of the user"]
    assert_equal(kept[0], make())  # what is mapped stays readable
