"""Which members of an archive are images, and what they are called."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from p2phd_eval.errors import InputError
from p2phd_eval.images.names import IMAGE_ENDINGS, is_hidden, is_unread_image
from p2phd_eval.images.sources.disk_state import few

_DRIVE = re.compile("[A-Za-z]:")


def image_name(archive: str, name: str, head: Callable[[], bytes], unread: list[str]) -> str | None:
    """Return the normal form of a member's name if it is an image's, else None.

    Hidden files and folders are left out, and those of systems such as ``__MACOSX``; endings count in any case.

    `archive`: what errors call the archive. `name`: the member's name with ``/`` between folders, such as
    ``./photos/a.PNG``. `head` and `unread`: see `is_unread_image`; such a member's name is added to the list.
    Raises `InputError` if the name leads out of the archive: it is absolute or has ``..`` in it. Nothing is ever
    unpacked, but names become the images' keys, and an archive with such names was made to do harm.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or _DRIVE.match(name):
        raise InputError(
            f"{archive}:{name}",
            expected="names inside the archive",
            found="an absolute path or one with '..'",
            fix="Do not trust this archive. If it is yours, pack it again from inside the folder.",
        )
    if any(map(is_hidden, path.parts)):
        return None
    if path.suffix.lower() in IMAGE_ENDINGS:
        return str(path)
    if is_unread_image(path.name, head):
        unread.append(str(path))
    return None


def require_images(archive: str, names: Iterable[str]) -> None:
    """Raise InputError if an archive has no image, or several of one name."""
    counts = Counter(names)
    if not counts:
        raise InputError(
            archive,
            expected=f"at least one image (members ending in {', '.join(IMAGE_ENDINGS)})",
            found="none",
            fix="Give the archive that holds the images; its folders are searched too.",
        )
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise InputError(
            archive,
            expected="a name of its own for each image",
            found=f"{few(twice, 'name')} given more than once",
            fix="Pack the archive again; members were added to it twice.",
        )


def not_a_plain_file(archive: str, name: str, kind: str) -> InputError:
    """Return the error of a member that is called like an image but is a link or a device."""
    return InputError(
        f"{archive}:{name}",
        expected="an image",
        found=kind,
        fix="Pack the file itself: with tar --dereference (-h); zip does so by default.",
    )
