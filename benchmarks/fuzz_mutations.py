"""Ways to damage a file: blindly, and by what it is made of (JSON, arrays, archives, images, what torch saves)."""

from __future__ import annotations

import copy
import io
import json
import random
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

#: Makes another content of one, by the generator's will; may return the same.
Mutation = Callable[[bytes, random.Random], bytes]

_NUMBERS = (
    0,
    1,
    -1,
    2,
    127,
    128,
    255,
    256,
    65535,
    65536,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**63,
    2**64,
    10**400,
)
_FLOATS = (0.0, -0.0, 1e-320, 0.5, 1e38, 3.5e38, 1e300, float("inf"), float("-inf"), float("nan"))
_TEXTS = ("", "a", "\0", "\ud800", "\x1b[2J", "é" * 300, "../../etc/passwd", "x" * 70_000, "-1", "NaN", "9" * 5000)


# --- Blindly


def flip_bits(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        if data:
            data[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(data)


def overwrite(content: bytes, rng: random.Random) -> bytes:
    """Write a number of 1, 2, 4 or 8 bytes somewhere, of those at which programs go wrong."""
    data, size = bytearray(content), rng.choice((1, 2, 4, 8))
    number = rng.choice([number for number in _NUMBERS if number >= 0]) % 256**size
    place = _place(data, rng)
    data[place : place + size] = number.to_bytes(size, rng.choice(("little", "big")))
    return bytes(data)


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def remove_or_repeat(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content) + 1)
    end = min(len(content), start + rng.choice((1, 2, 4, 16, 256, 4096)))
    return content[:start] + content[start:end] * rng.choice((0, 2, 2, 50)) + content[end:]


def insert(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content) + 1)
    return content[:place] + rng.randbytes(rng.choice((1, 2, 16, 300))) + content[place:]


BLIND: tuple[Mutation, ...] = (flip_bits, overwrite, cut, remove_or_repeat, insert)


def _place(data: bytearray, rng: random.Random) -> int:
    # Headers stand at the beginning, directories at the end.
    n = max(len(data), 1)
    return min(n - 1, int(n * rng.choice((rng.random(), rng.random() ** 4, 1 - rng.random() ** 4))))


# --- Text


def change_words(content: bytes, rng: random.Random) -> bytes:
    """Change a cell or a line of text: tables, lists and options are made of them."""
    text = content.decode("utf-8", "surrogateescape")
    separator = rng.choice(("\n", "\n", ",", " ", ": "))
    parts = text.split(separator)
    place = rng.randrange(len(parts))
    word = rng.choice(
        (*_TEXTS, "\r\n", '"', '""', "\ufeff", "#", ",,,", "../x.png", "/dev/zero", "1e999", str(rng.choice(_NUMBERS)))
    )
    action = rng.randrange(4)
    if action == 0:
        parts[place] = word
    elif action == 1:
        parts.insert(place, word)
    elif action == 2:
        parts[place] = parts[rng.randrange(len(parts))]
    else:
        del parts[place]
    return separator.join(parts).encode("utf-8", "surrogatepass" if rng.random() < 0.5 else "surrogateescape")


# --- JSON


def change_json(content: bytes, rng: random.Random) -> bytes:
    """Change nodes of the tree: values, types, keys, depth; now and then the encoding."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return flip_bits(content, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        tree = change_tree(tree, rng)
    text = json.dumps(tree, ensure_ascii=rng.random() < 0.7)
    if rng.random() < 0.05:
        text = text.replace(
            rng.choice(("0", "1", "true", "null")), rng.choice(("1e999", "9" * 5000, "[" * 3000, "-")), 1
        )
    if rng.random() < 0.05:
        text = text.replace("{", '{"schema": 1, "a": 2, "a": 3, ', 1)
    return text.encode(rng.choice(("utf-8",) * 8 + ("utf-8-sig", "utf-16")), "surrogatepass")


def change_json_line(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    place = rng.randrange(len(lines))
    lines[place] = change_json(lines[place], rng)
    return b"\n".join(lines)


def change_tree(tree: Any, rng: random.Random, odd: Callable[[random.Random], Any] | None = None) -> Any:
    """Return a tree of dicts and lists with one node changed; `odd` makes other values to put there."""
    tree = copy.deepcopy(tree)
    places = [(None, None), *_places(tree)]
    holder, key = rng.choice(places)
    value = tree if holder is None else holder[key]
    action = rng.randrange(6)
    if action == 0 and isinstance(holder, dict | list):
        del holder[key]
        return tree
    if action == 1 and isinstance(value, dict):
        value[rng.choice((*_TEXTS[:6], "schema", "extra"))] = _value(rng)
        return tree
    if action == 2 and isinstance(holder, dict):
        holder[rng.choice((*_TEXTS, *holder))] = holder.pop(key)
        return tree
    if action == 3:
        other_holder, other = rng.choice(places)
        new = copy.deepcopy(tree if other_holder is None else other_holder[other])
    elif action == 4 and isinstance(value, list) and value:
        new = value * rng.choice((0, 2, 30))
    else:
        new = odd(rng) if odd is not None and rng.random() < 0.5 else _value(rng)
    if holder is None:
        return new
    holder[key] = new
    return tree


def _places(tree: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        found += [(holder, key) for key in keys]
        waiting += [holder[key] for key in keys]
    return found


def _value(rng: random.Random) -> Any:
    deep: Any = []
    for _ in range(rng.choice((1, 3, 90, 400))):
        deep = [deep]
    return rng.choice(
        (rng.choice(_NUMBERS), rng.choice(_FLOATS), rng.choice(_TEXTS), None, True, [], {}, deep, ["a", 1])
    )


# --- Arrays and archives


def change_npy(content: bytes, rng: random.Random) -> bytes:
    """Change the header of an array: type, shape, order, or the text that says them."""
    if content[:6] != b"\x93NUMPY" or len(content) < 12:
        return flip_bits(content, rng)
    length = int.from_bytes(content[8:10], "little")
    header, data = content[10 : 10 + length], content[10 + length :]
    plain = ("<f4", ">f4", "<f2", "<f8", "<f16", "<c8", "|b1", "<i8", "<U3", "<U0", "<U1000000000", "|S4", "<M8[s]")
    kinds = (*(f"'{each}'" for each in (*plain, "|V4", "|O", "x")), "[('a', '<f4')]", "('<f4', (2,))", "1", "(" * 400)
    shapes = (
        "()",
        "(0,)",
        "(1,)",
        "(-1,)",
        "(1000000000000, 4)",
        "(2, 2)",
        "(True,)",
        "(1.5,)",
        "(10**9,)",
        "x",
        "(3, 4, 5)",
    )
    action = rng.randrange(5)
    if action == 0:
        header = header.replace(header[header.find(b": ") + 2 : header.find(b", ")], rng.choice(kinds).encode())
    elif action == 1 and b"(" in header:
        header = header[: header.find(b"(")] + rng.choice(shapes).encode() + header[header.find(b")") + 1 :]
    elif action == 2:
        header = header.replace(b"False", b"True")
    elif action == 3:
        header = flip_bits(header, rng)
    else:
        data = rng.choice(BLIND)(data, rng)
    length = rng.choice((len(header),) * 9 + (65535,))
    return b"\x93NUMPY" + rng.choice((b"\1\0",) * 9 + (b"\2\0",)) + length.to_bytes(2, "little") + header + data


def change_values(content: bytes, rng: random.Random) -> bytes:
    """Write another array of the same or another type in an array's place."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception:
        return flip_bits(content, rng)
    stream = io.BytesIO()
    if array.dtype.kind == "U" and array.shape == ():
        text = rng.choice((change_json, change_words))(str(array).encode("utf-8", "surrogatepass"), rng)
        array = np.array(text.decode("utf-8", "replace"))
    else:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                if rng.random() < 0.5 and array.size and array.dtype.kind in "fiu":
                    array = array.astype(np.float64)
                    array.flat[rng.randrange(array.size)] = rng.choice((*_FLOATS, *map(float, _NUMBERS[:-1])))
                if rng.random() < 0.5:
                    array = array.astype(
                        rng.choice(("f2", "f4", "f8", "i1", "i8", "u8", "c8", "U3", "S3", "M8[s]", "?"))
                    )
                if rng.random() < 0.3:
                    array = array[: rng.randrange(len(array) + 1)] if array.ndim else array[None]
            except (ValueError, TypeError, OverflowError):
                pass
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def change_member(*mutations: Mutation) -> Mutation:
    """Change one member of a zip archive by one of some ways, or the list of members."""

    def change(content: bytes, rng: random.Random) -> bytes:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = [(info.filename, archive.read(info)) for info in archive.infolist()]
        except Exception:
            return flip_bits(content, rng)
        if not members:
            return content
        place = rng.randrange(len(members))
        name, data = members[place]
        action = rng.randrange(8)
        if action == 0:
            del members[place]
        elif action == 1:
            members.insert(place, (name, data))
        elif action == 2:
            members[place] = (rng.choice((*_TEXTS[4:7], "a" * 300, "../" + name, name + "/", "mu.npy", "a.png")), data)
        else:
            members[place] = (name, rng.choice(mutations)(data, rng))
        stream = io.BytesIO()
        methods = (zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
        with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", rng.choice(methods)) as archive:
            warnings.simplefilter("ignore")
            for each, data in members:
                archive.writestr(each, data)
        return stream.getvalue()

    return change


def change_zip_record(content: bytes, rng: random.Random) -> bytes:
    """Overwrite a field of a header of a member, of the directory, or of the archive's end."""
    data, marks = bytearray(content), (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\1\2")
    mark = rng.choice(marks)
    places = [i for i in range(len(data) - 4) if data[i : i + 4] == mark][:50] if len(data) < 1 << 20 else []
    if not places:
        return overwrite(content, rng)
    place, size = rng.choice(places) + rng.randrange(4, 46), rng.choice((1, 2, 4))
    data[place : place + size] = (rng.choice(_NUMBERS) % 256**size).to_bytes(size, "little")
    return bytes(data)


def change_tar_header(content: bytes, rng: random.Random) -> bytes:
    """Overwrite a field of a member's header, and make its checksum right again."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            places = [member.offset for member in archive.getmembers()]
    except Exception:
        places = []
    if not places:
        return flip_bits(content, rng)
    data = bytearray(content)
    place = rng.choice(places)
    start, size = rng.choice(
        ((0, 100), (100, 8), (124, 12), (136, 12), (156, 1), (156, 1), (157, 100), (257, 8), (345, 155))
    )
    values = [
        b"0",
        b"1",
        b"2",
        b"5",
        b"7",
        b"L",
        b"K",
        b"S",
        b"x",
        b"g",
        b"\xff" * size,
        b"77777777777",
        b"00000000000",
    ]
    values += [rng.randbytes(size), b"\x80" + b"\xff" * (size - 1), b"-1", b"a.png"]
    data[place + start : place + start + size] = rng.choice(values)[:size].ljust(size, b"\0")
    header = data[place : place + 512]
    header[148:156] = b" " * 8
    data[place + 148 : place + 156] = b"%06o\0 " % sum(header)
    return bytes(data)


def repack(unpack: Callable[[bytes], bytes], pack: Callable[[bytes], bytes], *mutations: Mutation) -> Mutation:
    """Change what is inside a compressed file."""

    def change(content: bytes, rng: random.Random) -> bytes:
        try:
            inside = unpack(content)
        except Exception:
            return flip_bits(content, rng)
        return pack(rng.choice(mutations)(inside, rng))

    return change


# --- Images


def change_png_chunk(content: bytes, rng: random.Random) -> bytes:
    """Change a chunk of a PNG, with a checksum that fits."""
    if content[:8] != b"\x89PNG\r\n\x1a\n":
        return flip_bits(content, rng)
    chunks, place = [], 8
    while place + 12 <= len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + size]))
        place += 12 + size
    which = rng.randrange(len(chunks))
    kind, data = chunks[which]
    action = rng.randrange(4)
    if action == 0:
        del chunks[which]
    elif action == 1:
        chunks.insert(rng.randrange(len(chunks)), (kind, data))
    elif action == 2:
        kinds = (
            b"tRNS",
            b"PLTE",
            b"iCCP",
            b"zTXt",
            b"iTXt",
            b"eXIf",
            b"acTL",
            b"fcTL",
            b"fdAT",
            b"gAMA",
            b"cHRM",
            b"sRGB",
            b"IDAT",
        )
        chunks.insert(rng.randrange(len(chunks)), (rng.choice(kinds), rng.randbytes(rng.choice((0, 1, 4, 33, 768)))))
    else:
        chunks[which] = (kind, rng.choice((flip_bits, overwrite, cut))(data, rng))
    parts = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return content[:8] + b"".join(parts)


# --- What torch saves


def change_saved(content: bytes, rng: random.Random) -> bytes:
    """Change the tree of what `torch.save` wrote: keys, values, and tensors of other shapes, types and values."""
    import torch

    try:
        tree = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        changed = change_tree(tree, rng, _tensor)
        stream = io.BytesIO()
        torch.save(changed, stream, _use_new_zipfile_serialization=rng.random() < 0.8)
    except Exception:
        return flip_bits(content, rng)
    return stream.getvalue()


def _tensor(rng: random.Random) -> Any:
    import torch

    kinds = (
        torch.float32,
        torch.float16,
        torch.float64,
        torch.bfloat16,
        torch.complex64,
        torch.int64,
        torch.uint8,
        torch.bool,
    )
    shape = rng.choice(((), (0,), (1,), (4,), (4, 3, 3, 3), (1, 1, 1, 1), (4, 38, 7, 7), (2, 2)))
    tensor = torch.zeros(shape, dtype=rng.choice(kinds))
    action = rng.randrange(6)
    if action == 0:
        return tensor.to(torch.float32).fill_(rng.choice(_FLOATS))
    if action == 1:
        return torch.zeros(1).expand(rng.choice(((100_000, 100_000), (4, 38, 7, 7))))  # one number, said to be many
    if action == 2:
        return torch.zeros(4, 4).to_sparse()
    if action == 3:
        return torch.nn.Parameter(tensor.to(torch.float32))
    if action == 4:
        return torch.empty(shape, device="meta")
    return tensor


def one_of(mutations: Sequence[Mutation]) -> Mutation:
    def change(content: bytes, rng: random.Random) -> bytes:
        return rng.choice(mutations)(content, rng)

    return change
