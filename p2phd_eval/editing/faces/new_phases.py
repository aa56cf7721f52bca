"""Phases of a data set that are made in a hidden folder, and moved to their places when they are whole."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from p2phd_eval.errors import InputError
from p2phd_eval.files import write_json
from p2phd_eval.json_files import read_json
from p2phd_eval.locks import filled_whole, hold_folder, is_free

_CLASSES = "classes.json"


@contextmanager
def new_phases(out: Path, folders: Sequence[str], classes: Sequence[str]) -> Iterator[Path]:
    """Give the block a hidden folder to fill, and move its folders into the data set when it ends; else they are gone.

    `out`: new, empty, or a data set of the same classes that lacks these folders: phases can be added one by one.
    `folders`: those that the block may make, in the order in which they are moved: train_img, then train_label.
    `classes`: their names; none for photos as input.

    Raises `InputError` if `out` holds one of the folders, other classes, or files of another kind.
    """
    document = {"label_nc": len(classes), "classes": list(classes)}
    with hold_folder(out):
        _require_room(out, folders, document)
        names = [_CLASSES, *folders]
        with filled_whole(out, lambda path: names.index(path.name)) as part:
            yield part
            write_json(part / _CLASSES, document)


def require_phase_name(phase: str) -> None:
    """Raise `InputError` if folders cannot be named after a phase."""
    if not phase or phase.startswith(".") or any(each in phase for each in "/\\\0"):
        raise InputError("--phase", expected="a name for folders, such as train", found=repr(phase))


def _require_room(out: Path, folders: Sequence[str], document: dict[str, object]) -> None:
    for name in folders:
        if (out / name).exists():
            raise InputError(
                str(out / name),
                expected="nothing there yet",
                found="a folder" if (out / name).is_dir() else "a file",
                fix="Choose another phase or another data set, or remove it.",
            )
    if is_free(out):
        return
    if not (out / _CLASSES).is_file():
        raise InputError(
            str(out),
            expected="a new or empty folder, or a data set with classes.json",
            found="a folder that holds other files",
            fix="Name another folder.",
        )
    stored = read_json(out / _CLASSES, expected="the classes of a data set")
    if stored != document:
        raise InputError(
            str(out / _CLASSES),
            expected=f"{document['label_nc']} classes, as these maps have",
            found="other classes",
            fix="A data set holds maps of one kind; name another folder.",
        )
