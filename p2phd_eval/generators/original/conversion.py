"""A checkpoint of NVIDIA/pix2pixHD to a run of ours, and back."""

from dataclasses import dataclass, field
from pathlib import Path

from p2phd_eval.config import TrainConfig
from p2phd_eval.generators.original.checkpoint_folder import (
    is_original_folder,
    open_source,
    read_original,
    write_original,
    write_run,
)
from p2phd_eval.locks import hold_folder


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What `convert` wrote."""

    files: tuple[Path, ...]
    networks: dict[str, int]  # entries of the state dict of each network
    config: TrainConfig
    sources: dict[str, str] = field(default_factory=dict)  # setting to where it was inferred from; empty for ours
    notes: tuple[str, ...] = ()


def convert(
    source: str | Path,
    out: str | Path,
    *,
    which_epoch: str | None = None,
    label_nc: int | None = None,
    instances: bool | None = None,
) -> Conversion:
    """Turn a checkpoint of NVIDIA/pix2pixHD into a run, or a run into the original's files.

    All tensors stay bitwise equal.

    `source`: a folder of the original, or a run folder or checkpoint of ours. `out`: the run folder to write, or the
    original's folder where `source` is ours. `which_epoch`, `label_nc`, `instances`: for a folder of the original, see
    `read_original`. Raises `InputError` if `source` is neither, or a file to write is there with another content.
    """
    source, out = Path(source), Path(out)
    with hold_folder(out):
        return _convert(source, out, which_epoch, label_nc, instances)


def _convert(
    source: Path, out: Path, which_epoch: str | None, label_nc: int | None, instances: bool | None
) -> Conversion:
    if is_original_folder(source):
        original = read_original(source, which_epoch=which_epoch or "latest", label_nc=label_nc, instances=instances)
        return Conversion(
            files=(write_run(original, out), out / "config.json"),
            networks={name: len(state) for name, state in original.networks.items()},
            config=original.config,
            sources=original.sources,
            notes=original.notes,
        )
    _, checkpoint = open_source(source, which_epoch=which_epoch, label_nc=label_nc, instances=instances)
    return Conversion(
        files=write_original(checkpoint, out),
        networks={name: len(state) for name, state in checkpoint.networks.items()},
        config=checkpoint.config,
    )
