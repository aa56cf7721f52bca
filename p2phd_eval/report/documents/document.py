"""What all JSON documents have in common: a kind, a version of the schema, how they are written and how they are read.

Documents and their parts are `msgspec.Struct`, not dataclasses: a Struct names the kind of its document, is checked and
described by msgspec like a dataclass, and is made without compiling code, in 0.1 ms a class instead of 2.
"""

import math
from typing import Annotated, Any, ClassVar, TypeVar, overload

import msgspec

from p2phd_eval.errors import InputError
from p2phd_eval.json_files import convert_json, read_json
from p2phd_eval.stores.store_path import AnyPath

SCHEMA_VERSION = 3
OLDEST_VERSION = 2
_PREFIX = "p2phd-eval/"


class Document(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema"):
    """A JSON document; the tag of its class is its `schema`, such as "p2phd-eval/compare".

    The fields are written in their order. What is written under a key is described at the field, and in
    `docs/artefacts.md`.
    """

    schema_version: Annotated[int, msgspec.Meta(ge=OLDEST_VERSION, le=SCHEMA_VERSION)] = SCHEMA_VERSION

    #: The oldest version that is still read: that since which nothing in the document has changed its meaning.
    oldest: ClassVar[int] = OLDEST_VERSION

    #: What makes a document again, in this version of the schema.
    again: ClassVar[str] = "Delete it, and p2phd-eval study makes it again."

    def to_builtins(self) -> dict[str, Any]:
        """Return the document as JSON values, for `json.dumps`; it refuses numbers that are not finite."""
        values: dict[str, Any] = msgspec.to_builtins(self, enc_hook=_number)
        return values


D = TypeVar("D", bound=Document)
E = TypeVar("E", bound=Document)
F = TypeVar("F", bound=Document)
S = TypeVar("S", bound=msgspec.Struct)


def from_result(kind: type[S], result: object, **others: Any) -> S:
    """Return a document or a part of one: the attributes of a result that have the names of its fields, and others."""
    named = {name: getattr(result, name) for name in kind.__struct_fields__ if hasattr(result, name)}
    return kind(**(named | others))


def finite(value: float) -> float | None:
    """A number for JSON, which knows no infinity: None for it."""
    return value if math.isfinite(value) else None


def kind_of(document: Document | type[Document]) -> str:
    """Return the kind of a document: "report", "compare" and so on."""
    return str(document.__struct_config__.tag).removeprefix(_PREFIX)


@overload
def read_document(path: AnyPath, kind: type[D], /) -> D: ...


@overload
def read_document(path: AnyPath, kind: type[D], other: type[E], /) -> D | E: ...


@overload
def read_document(path: AnyPath, kind: type[D], other: type[E], third: type[F], /) -> D | E | F: ...


def read_document(path: AnyPath, *kinds: type[Document]) -> Document:
    """Read a JSON document of one of some kinds, written by this version of the schema or by one that it still reads.

    All values in it are of the types that its fields say; keys that it does not know are left out. Raises `InputError`
    as `read_json`, and if it is another kind of document, it is of a version of the schema that is not read, or a value
    is missing or of another type.

    `*kinds`: the documents that it may be.
    """
    by_kind = {kind_of(kind): kind for kind in kinds}
    first, wanted = next(iter(by_kind)), " or ".join(by_kind)
    fix = kinds[0].again
    if path.is_dir():
        inside = path / f"{first}.json"
        hint = f"Give {inside}." if inside.is_file() else fix
        raise InputError(str(path), expected=f"a {wanted} document", found="a folder", fix=hint)
    values: Any = read_json(path, expected=f"a {wanted} document", fix=fix)
    schema = values.get("schema") if isinstance(values, dict) else None
    kind = by_kind.get(schema.removeprefix(_PREFIX)) if isinstance(schema, str) and schema.startswith(_PREFIX) else None
    if kind is None:
        found = f"schema {schema!r}" if isinstance(values, dict) else f"JSON that is a {type(values).__name__}"
        raise InputError(str(path), expected=f"a {wanted} document of p2phd-eval", found=found, fix=fix)
    _require_version(values.get("schema_version"), kind, path)
    return convert_json(values, kind, str(path), fix=kind.again)


def _require_version(version: object, kind: type[Document], path: AnyPath) -> None:
    newest = msgspec.structs.fields(kind)[0].default
    if type(version) is int and kind.oldest <= version <= newest:
        return
    again = kind.again
    newer = type(version) is int and version > newest
    older = type(version) is int and version < kind.oldest
    raise InputError(
        f"{path}, schema_version",
        expected=" or ".join(map(str, range(kind.oldest, newest + 1))),
        found=f"{version!r}, of {'a newer' if newer else 'an older'} p2phd-eval" if newer or older else repr(version),
        fix=f"Update p2phd-eval; or, with this one: {again[0].lower()}{again[1:]}" if newer else again,
    )


def _number(value: object) -> Any:
    # numpy's float64 is a float, but to msgspec.
    if isinstance(value, float):
        return float(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")
