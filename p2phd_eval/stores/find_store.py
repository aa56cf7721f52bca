"""Which addresses are of a store, and which store answers for them."""

import re
from functools import cache

from p2phd_eval.errors import InputError
from p2phd_eval.stores.object_store import ObjectStore, redacted, user_of

#: What addresses begin with.
SCHEMES = ("s3", "gs", "gcs", "hf", "https", "http")

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://.", re.IGNORECASE)
_PATH_OF_ADDRESS = re.compile(rf"({'|'.join(SCHEMES)}):/(?=[^/])")  # what pathlib makes of one


def address_of(given: str) -> str | None:
    """Return the address that a text is; None where it is a path of a file system.

    `Path("s3://bucket/key")` lost a slash, which it gets back. Raises `InputError` for an address of another kind, and
    for one with a password where none belongs, or of which nobody knows where it ends.
    """
    if found := _ADDRESS.match(given):
        scheme = found[1].lower()
        if scheme not in SCHEMES:
            known = ", ".join(f"{each}://" for each in ("s3", "gs", "hf", "https"))
            raise InputError(redacted(given), expected=f"a path, or an address of {known}", found=f"{scheme}://")
        address = f"{scheme}{given[len(scheme) :]}"
    elif found := _PATH_OF_ADDRESS.match(given):
        address = f"{found[1]}://{given[found.end() :]}"
    else:
        return None
    _require_plain_user(address)
    return address if address.startswith("http") else address.rstrip("/")  # as pathlib writes folders


def _require_plain_user(address: str) -> None:
    """Raise `InputError` where a password may go to another host, or into what a library says of an address."""
    user = user_of(address) or ""
    if not address.startswith("http") and ":" in user:
        raise InputError(
            redacted(address),
            expected="an address without user and password",
            found="one with them",
            fix="Set them as the store's own tools take them: see docs/object-stores.md, credentials and endpoints.",
        )
    if address.startswith("http") and any(letter in user for letter in "/?# "):
        raise InputError(
            redacted(address),
            expected="an @ before the host alone",
            found="one behind / ? # or a blank, which may be of a password",
            fix="Write such letters as the web does: @ as %40, / as %2F, ? as %3F, # as %23, a blank as %20.",
        )


def store_of(url: str) -> ObjectStore:
    """Return the store that an address is of."""
    return _store(url.partition("://")[0])


@cache
def _store(scheme: str) -> ObjectStore:
    # Imported here: most calls read files alone.
    if scheme == "s3":
        from p2phd_eval.stores.s3_store import S3Store

        return S3Store()
    if scheme in ("https", "http"):
        from p2phd_eval.stores.http_store import HttpStore

        return HttpStore()
    from p2phd_eval.stores.fsspec_store import FsspecStore

    return FsspecStore()
