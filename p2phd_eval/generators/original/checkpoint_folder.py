"""Checkpoints of the original, NVIDIA/pix2pixHD: folders with `latest_net_G.pth`, `_D` and `_E`, read and written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError, shown
from p2phd_eval.files import atomic_write, write_json
from p2phd_eval.generators.checkpoint import (
    NETWORKS,
    Checkpoint,
    find_checkpoint,
    latest_path,
    load_checkpoint,
    require_fitting,
    save_checkpoint,
    stored_tensors,
)
from p2phd_eval.generators.networks.conditioning import conditioning_channels
from p2phd_eval.generators.networks.discriminator import build_discriminator
from p2phd_eval.generators.networks.encoder import build_encoder
from p2phd_eval.generators.networks.generator import build_generator
from p2phd_eval.generators.original.inferred_config import infer_config
from p2phd_eval.generators.original.options import OPTIONS_FILE, options_text
from p2phd_eval.progress import Note, unheard
from p2phd_eval.tensor_files import read_tensors
from p2phd_eval.versions import versions

_RUNNING = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, kw_only=True)
class OriginalCheckpoint:
    """What a folder of the original holds."""

    config: TrainConfig
    sources: dict[str, str]  # dotted setting, such as "generator.ngf" -> "keys" | "opt.txt" | "option" | "assumed"
    networks: dict[str, dict[str, torch.Tensor]]  # "G", and "D" and "E" where they are: state dicts on the CPU
    notes: tuple[str, ...]  # sentences on what was changed or assumed
    files: dict[str, Path]  # "G" and so on


def is_original_folder(path: Path) -> bool:
    """Return whether `path` is a folder with networks of the original, of any epoch."""
    return path.is_dir() and any(any(path.glob(f"*_net_{name}.pth")) for name in NETWORKS)


def read_original(
    folder: Path, *, which_epoch: str = "latest", label_nc: int | None = None, instances: bool | None = None
) -> OriginalCheckpoint:
    """Read a folder of the original, infer its configuration and check that the networks load.

    Raises `InputError` if G is missing, a file is damaged, holds code or another network, or files and options
    contradict one another.

    Parameters
    ----------
    folder : Path
        With `<epoch>_net_G.pth`, perhaps `_D` and `_E`, and perhaps the `opt.txt` of the training. Files saved from
        DataParallel and of any format of `torch.save` will do; they are read with `weights_only=True`.
    which_epoch : str
        "latest", or the number of an epoch.
    label_nc : int, optional
        Number of classes; 0: photos. Shapes alone do not tell a class from the edge channel.
    instances : bool, optional
        Whether there is an edge channel.
    """
    files = {name: folder / f"{which_epoch}_net_{name}.pth" for name in NETWORKS}
    files = {name: path for name, path in files.items() if path.is_file()}
    if "G" not in files:
        there = sorted(f"{path.name}{'/' * path.is_dir()}" for path in folder.glob("*_net_*.pth"))
        raise InputError(
            str(folder),
            expected=f"{which_epoch}_net_G.pth, the generator",
            found=", ".join(there) or "no network of the original",
            fix="Copy the generator there, or name an epoch that has one: --which-epoch.",
        )
    notes: list[str] = []
    networks = {name: _read_network(path, notes) for name, path in files.items()}
    inferred = infer_config(networks, files, label_nc=label_nc, instances=instances)
    networks = _fitting(inferred.config, networks, files, notes)
    return OriginalCheckpoint(
        config=inferred.config,
        sources=inferred.sources,
        networks=networks,
        notes=(*notes, *inferred.notes),
        files=files,
    )


def open_source(
    source: Path,
    *,
    which_epoch: str | None = None,
    label_nc: int | None = None,
    instances: bool | None = None,
    note: Note = unheard,
) -> tuple[Path, Checkpoint]:
    """Open what samples can be made from: a run folder, a checkpoint, or a folder of the original.

    `note`: told what is assumed of a folder of the original.

    Returns
    -------
    file : Path
        The checkpoint, or the original's generator.
    checkpoint : Checkpoint
        A checkpoint of the original: at step 0 and without optimizers.

    Raises
    ------
    InputError
        If there is none or it is damaged, or if options for an original are given and it is none.
    """
    if is_original_folder(source):
        original = read_original(source, which_epoch=which_epoch or "latest", label_nc=label_nc, instances=instances)
        if assumed := _assumed(original):
            why = (
                f"which {OPTIONS_FILE} does not say" if (source / OPTIONS_FILE).exists() else f"without {OPTIONS_FILE}"
            )
            note(f"{source}: assumed, {why}: {assumed}.")
        checkpoint = Checkpoint(
            config=original.config, step=0, networks=original.networks, optimizers={}, rng={}, versions=versions()
        )
        return original.files["G"], checkpoint
    if (which_epoch, label_nc, instances) != (None, None, None):
        raise InputError(
            str(source),
            expected="a folder of the original, for which --which-epoch, --label-nc and --instances are",
            found="none of its networks there",
            fix="Leave these options out; a checkpoint of p2phd-eval knows its configuration.",
        )
    path = find_checkpoint(source)
    return path, load_checkpoint(path)


def _assumed(original: OriginalCheckpoint) -> str:
    """Say what shapes samples and is known from neither networks nor options; with the options that say otherwise."""
    data = original.config.data
    said = {
        "data.label_nc": f"{data.label_nc} classes (--label-nc)",
        "data.instances": f"{'' if data.instances else 'no '}edges of instances (--instances)",
        "features.kind": f"features by {original.config.features.kind}",
        "data.resize": f"--resize-or-crop {data.resize}",
        "data.load_size": "" if data.resize in ("none", "crop") else f"--load-size {data.load_size}",
    }
    return ", ".join(what for key, what in said.items() if what and original.sources.get(key) == "assumed")


def write_run(original: OriginalCheckpoint, out: Path) -> Path:
    """Write a run folder with `config.json` and the networks as its newest checkpoint; return the checkpoint's path.

    What is there with the same content stays, so that a call that was cut short can be repeated. Raises `InputError` if
    there is another run, or a folder of the original, or the disk refuses.
    """
    path, settings = latest_path(out), out / "config.json"
    _require_own({path: _is_conversion_of(original, path), settings: path.exists()})
    _require_own(dict.fromkeys(sorted(out.glob("*_net_*.pth")), False))
    if not path.exists():
        save_checkpoint(path, config=original.config, step=0, state={"networks": original.networks, "optimizers": {}})
    write_json(settings, original.config.to_dict())
    return path


def write_original(checkpoint: Checkpoint, folder: Path, which_epoch: str = "latest") -> tuple[Path, ...]:
    """Write networks as the original saves them, tensors bitwise equal, with an `opt.txt` of the configuration.

    The result names `opt.txt` and the networks that there are, the generator last: with it the folder is whole. What is
    there with the same content stays. Raises `InputError` if one of the files is there with another, or a run of ours.
    Raises `OSError` if the disk refuses; no file is left half-written.
    """
    options, text = folder / OPTIONS_FILE, options_text(checkpoint.config).encode()
    files = {name: folder / f"{which_epoch}_net_{name}.pth" for name in NETWORKS[::-1] if name in checkpoint.networks}
    own = {path: path.exists() and _holds(path, checkpoint.networks[name]) for name, path in files.items()}
    # With both in one folder it would not be plain which of them a command takes.
    _require_own({options: options.exists() and options.read_bytes() == text, **own, latest_path(folder): False})
    if not options.exists():
        with atomic_write(options) as stream:
            stream.write(text)
    for name, path in files.items():
        if not own[path]:
            with atomic_write(path) as stream:
                torch.save(dict(checkpoint.networks[name]), stream)
    return options, *files.values()


def _is_conversion_of(original: OriginalCheckpoint, path: Path) -> bool:
    try:
        there = load_checkpoint(path)
    except InputError:
        return False
    same = there.networks.keys() == original.networks.keys() and there.config == original.config
    return same and all(_equal(there.networks[name], state) for name, state in original.networks.items())


def _holds(path: Path, state: Mapping[str, torch.Tensor]) -> bool:
    try:
        return _equal(_read_network(path, []), state)
    except InputError:
        return False


def _equal(a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(a[key].dtype == b[key].dtype and torch.equal(a[key], b[key]) for key in a)


def _require_own(own: Mapping[Path, bool]) -> None:
    """Raise InputError for the first file that is there but is not what would be written."""
    for path, is_own in own.items():
        if path.exists() and not is_own:
            raise InputError(
                str(path),
                expected="nothing there, or what would be written",
                found="another file",
                fix="Choose another folder to write to.",
            )


def _read_network(path: Path, notes: list[str]) -> dict[str, torch.Tensor]:
    wanted = "a state dict of the original's network"
    document = read_tensors(path, expected=wanted, fix="Copy it again from where it was trained.")
    if not isinstance(document, dict) or not any(isinstance(value, torch.Tensor) for value in document.values()):
        found = f"an object of type {type(document).__name__}, not tensors by name"
        raise InputError(str(path), expected=wanted, found=found, fix="Save the network's state_dict() alone.")
    others = [key for key, value in document.items() if not isinstance(value, torch.Tensor)]
    if others:
        notes.append(f"{path.name}: {_listed(others)}, no tensors, are left out.")
    tensors = {key: value.detach() for key, value in document.items() if isinstance(value, torch.Tensor)}
    state = stored_tensors(tensors, str(path))
    if any(key.startswith("module.") for key in state):
        notes.append(f"{path.name}: saved from DataParallel; `module.` is taken off its keys.")
        state = {key.removeprefix("module."): tensor for key, tensor in state.items()}
    return _with_current_norms(state, path, notes)


def _listed(keys: Sequence[object]) -> str:
    shown_keys = ", ".join(shown(key) for key in keys[:3])
    return f"{len(keys)} keys ({shown_keys}{', ...' if len(keys) > 3 else ''})"


def _with_current_norms(state: dict[str, torch.Tensor], path: Path, notes: list[str]) -> dict[str, torch.Tensor]:
    """Give norms the entries that they have today: torch before 0.4 saved others."""
    current: dict[str, torch.Tensor] = {}
    for key, tensor in state.items():
        layer, _, kind = key.rpartition(".")
        # Only a batch norm, which has a weight, uses them.
        if kind not in _RUNNING or f"{layer}.weight" in state:
            current[key] = tensor
            if kind == "running_var" and f"{layer}.num_batches_tracked" not in state:
                current[f"{layer}.num_batches_tracked"] = torch.tensor(0)
    if len(current) < len(state):
        notes.append(f"{path.name}: running statistics of instance norms, which are not used, are left out.")
    elif len(current) > len(state):
        notes.append(f"{path.name}: counts of batches that torch before 0.4 did not keep are added to its batch norms.")
    return current


def _fitting(
    config: TrainConfig, networks: Mapping[str, Mapping[str, torch.Tensor]], files: Mapping[str, Path], notes: list[str]
) -> dict[str, dict[str, torch.Tensor]]:
    """Return the networks without keys that are superfluous, as the original itself loads them; raise `InputError` if
    one is missing or of another shape."""
    channels = conditioning_channels(config.data)
    build: dict[str, Callable[[], nn.Module]] = {
        "G": lambda: build_generator(config.generator, channels + config.features.channels),
        "D": lambda: build_discriminator(
            config.discriminator, channels, expose_features=config.objective.feature_matching
        ),
        "E": lambda: build_encoder(config.features, config.generator.norm),
    }
    fitting: dict[str, dict[str, torch.Tensor]] = {}
    for name, state in networks.items():
        # Without data: neither time nor random numbers are spent on initial weights.
        with torch.device("meta"):
            network = build[name]()
        own = network.state_dict()
        if superfluous := [key for key in state if key not in own]:
            notes.append(f"{files[name].name}: {_listed(superfluous)} of no layer of the network are left out.")
        fitting[name] = {key: tensor for key, tensor in state.items() if key in own}
        try:
            require_fitting(network, fitting[name], str(files[name]))
        except InputError as error:
            raise InputError(
                error.where,
                expected=f"{error.expected}, by its other keys",
                found=error.found,
                fix="The file is damaged, or of a network with other layers than pix2pixHD's; copy it again.",
            ) from error
    return fitting
