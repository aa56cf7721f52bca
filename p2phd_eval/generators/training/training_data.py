"""What a run is trained on, by content: written beside it, and required to be the same when it goes on."""

from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from msgspec import Struct, structs

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256, names_sha256, page_bytes, write_json
from p2phd_eval.generators.checkpoint import Checkpoint, latest_path
from p2phd_eval.generators.data.batch import Batch
from p2phd_eval.generators.data.contents import describe_difference, image_name
from p2phd_eval.generators.data.triplets import Triplet, feature_folder
from p2phd_eval.images.made_images import read_index
from p2phd_eval.json_files import read_json_or_none
from p2phd_eval.progress import Note

FILE = "data.json"
_VGG = "--vgg"

Contents = Mapping[str, Mapping[str, str]]  # of each sample by the name of its image: SHA-256 by part


class TrainingData(Struct, frozen=True, kw_only=True):
    """What `data.json` of a run folder holds."""

    sha256: str  # of names and contents of all files, which checkpoints have too
    saved: bool  # whether a checkpoint was saved: without one the run does not begin again in silence
    files: dict[str, str]  # SHA-256 by the path below the data set; of the VGG's file as "--vgg"


def training_data(config: TrainConfig, data: Path, triplets: tuple[Triplet, ...], contents: Contents) -> TrainingData:
    """Return the record of a data set whose contents were read."""
    files = {
        page_bytes(path.relative_to(data).as_posix()).decode(): contents[image_name(triplet)][part]
        for triplet in triplets
        for part, path in triplet.files.items()
    }
    vgg = Path(config.objective.vgg)
    if vgg.is_file():
        files[_VGG] = file_sha256(vgg)
    return TrainingData(sha256=names_sha256(files), saved=False, files=files)


def save_training_data(out: Path, data: TrainingData, *, saved: bool) -> None:
    """Write the record into a run folder."""
    write_json(out / FILE, structs.asdict(structs.replace(data, saved=saved)))


def load_training_data(out: Path) -> TrainingData | None:
    """Read the record of a run folder; None for a run that has none, or none that can be read."""
    return read_json_or_none(TrainingData, out / FILE)


def require_same_data(checkpoint: Checkpoint, out: Path, data: Path, now: TrainingData, note: Note) -> None:
    """Raise InputError if a run goes on with other files than it began with, and say how many and which.

    `checkpoint`: the run's newest. `out`: its folder, whose record names the files. `data`: the data set, for the
    error. `note`: told where an earlier version, which kept no hash, saved the checkpoint.
    """
    if checkpoint.data_sha256 is None:
        note(
            f"{latest_path(out)} does not say which data it was trained on, since an earlier version saved it: it goes "
            f"on with what is in {data} now."
        )
        return
    if checkpoint.data_sha256 == now.sha256:
        return
    before = load_training_data(out)
    found = f"others; {out / FILE}, which would name them, is not this checkpoint's"
    if before is not None and before.sha256 == checkpoint.data_sha256:
        found = describe_difference(before.files, now.files)
    raise InputError(
        str(data),
        expected="the training files that the run began with",
        found=found,
        fix=f"Restore them and repeat the command; or train on these in another run: --load-pretrain {out}, without "
        "--resume, and another --out.",
    )


def require_unchanged(batch: Batch, contents: Contents) -> None:
    """Raise InputError if a sample was decoded from another content than when the training began."""
    for triplet, own in zip(batch.triplets, batch.contents, strict=True):
        for part, sha256 in own.items():
            if contents[image_name(triplet)][part] != sha256:
                raise InputError(
                    str(triplet.files[part]),
                    expected="the content that it had when the training began",
                    found="another: it was changed meanwhile",
                    fix="Restore it, and go on with --resume from the last checkpoint.",
                )


def require_own_feature_maps(data: Path, phase: str, triplets: tuple[Triplet, ...], contents: Contents) -> None:
    """Raise InputError if feature maps are not of the photos and label maps that are there now.

    Maps without a record of what they were made from, such as another tool's, are taken as they are.
    """
    folder = data / feature_folder(phase)
    records = read_index(folder)
    wrong = []
    for triplet in triplets:
        own = contents[image_name(triplet)]
        if triplet.features is None:
            continue
        name = triplet.features.relative_to(folder).as_posix()
        record = records.get(name)
        if record is not None and (
            record.sha256 != own["features"]
            or any(own[part] != sha256 for part, sha256 in record.made_from.items() if part in own)
        ):
            wrong.append(name)
    if wrong:
        raise InputError(
            str(folder),
            expected="feature maps of the photos that are there now",
            found=f"{len(wrong)} of others or altered ones, such as {wrong[0]}",
            fix=f"Make them again: p2phd-eval encode precompute RUN {quote(str(data))} --phase {phase}",
        )
