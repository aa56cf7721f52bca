"""Decoders of PNG and JPEG against Pillow: processor's time a file, equal pixels, and what they make of damaged files.

Run `python benchmarks/decoders.py FOLDER ... [--out FILE]` from the repository's root, with folders of images; what is
not installed is left out. It takes a minute. To try decoders beside an environment, `pip install --no-deps --target
SITE imagecodecs opencv-python-headless pyspng simplejpeg`, and run it with SITE at the end of PYTHONPATH.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from measuring import describe_machine, today
from PIL import Image, features

from p2phd_eval.errors import InputError
from p2phd_eval.files import write_json
from p2phd_eval.images.decoding import decode_rgb

Decoder = Callable[[bytes], npt.NDArray[Any]]

FILES = 12  # of a folder, at most
REPEATS = 7
DAMAGED = 400  # files of each kind


def ours(content: bytes) -> npt.NDArray[Any]:
    return decode_rgb(content, "image").pixels


def decoders(kind: str) -> dict[str, Decoder]:
    """Those of a format that are installed, ours first; each as strict as it can be."""
    found: dict[str, Decoder] = {"here, by Pillow": ours}

    def add(name: str, module: str, decoder: Callable[[Any], Decoder]) -> None:
        try:
            found[name] = decoder(import_module(module))
        except ImportError:
            print(f"{name} is not installed")

    def opencv(cv2: Any) -> Decoder:
        cv2.setNumThreads(1)
        flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        return lambda content: np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), flags))

    if kind == "PNG":
        add("pyspng", "pyspng", lambda module: lambda content: np.asarray(module.load(content)))
        add("imagecodecs, libpng", "imagecodecs", lambda module: module.png_decode)
        add("imagecodecs, libspng", "imagecodecs", lambda module: module.spng_decode)
    else:
        add("simplejpeg", "simplejpeg", lambda module: lambda content: module.decode_jpeg(content, "RGB", strict=True))
        add("imagecodecs, libjpeg-turbo", "imagecodecs", lambda module: module.jpeg8_decode)
    add("OpenCV", "cv2", opencv)
    return found


def or_refused(decode: Decoder, content: bytes) -> npt.NDArray[Any] | None:
    try:
        pixels = decode(content)
    except (InputError, ArithmeticError, RuntimeError, TypeError, ValueError):  # ours, and what theirs raise
        return None
    return pixels if pixels.ndim else None  # OpenCV gives None


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip a bit, cut the end off, or damage the compressed pixels of a PNG below a right checksum."""
    how, at = rng.integers(3), int(rng.integers(len(content) // 8, len(content)))
    if how == 0:
        return content[:at]
    broken = bytearray(content)
    if how == 1 or not content.startswith(b"\x89PNG"):
        broken[at] ^= 1 << int(rng.integers(8))
        return bytes(broken)
    start = content.index(b"IDAT")
    end = start + 4 + int.from_bytes(content[start - 4 : start], "big")
    broken[int(rng.integers(start + 4, end))] ^= 1 << int(rng.integers(8))
    broken[end : end + 4] = zlib.crc32(broken[start:end]).to_bytes(4, "big")
    return bytes(broken)


def of_damaged_files(content: bytes, found: dict[str, Decoder]) -> dict[str, dict[str, int]]:
    """How often each decoder does as ours does with damaged files, and how often not."""
    rng = np.random.default_rng(0)
    counts: dict[str, Counter[str]] = {name: Counter() for name in found}
    for _ in range(DAMAGED):
        case = damaged(content, rng)
        expected = or_refused(ours, case)
        for name, decode in found.items():
            pixels = or_refused(decode, case)
            if expected is None or pixels is None:
                same = expected is pixels
                what = "as here" if same else "reads what is refused here" if expected is None else "refuses"
            else:
                what = "as here" if np.array_equal(expected, pixels) else "other pixels"
            counts[name][what] += 1
    return {name: dict(count) for name, count in counts.items()}


def references_lost(content: bytes, found: dict[str, Decoder]) -> dict[str, float]:
    """How many references to None a damaged file costs; when none is left, Python before 3.12 aborts the process."""
    lost = {}
    for name, decode in found.items():
        before = sys.getrefcount(None)
        for _ in range(100):
            or_refused(decode, content[: len(content) // 2])
        lost[name] = round((before - sys.getrefcount(None)) / 100, 1)
    return lost


def measure(contents: list[bytes], kind: str) -> dict[str, Any]:
    found = decoders(kind)
    expected = [ours(content) for content in contents]
    best = dict.fromkeys(found, float("inf"))
    for _ in range(REPEATS):
        for name, decode in found.items():
            start = time.process_time()
            for content in contents:
                decode(content)
            best[name] = min(best[name], 1000 * (time.process_time() - start) / len(contents))
    rows = {
        name: {
            "milliseconds": best[name],
            "ratio": best["here, by Pillow"] / best[name],
            "equal": all(np.array_equal(a, decode(b)) for a, b in zip(expected, contents, strict=True)),
        }
        for name, decode in found.items()
    }
    small = io.BytesIO()
    Image.fromarray(expected[0][:96, :128]).save(small, kind)
    height, width, _ = expected[0].shape
    return {
        "width": width,
        "height": height,
        "files": len(contents),
        "bytes": sum(map(len, contents)) // len(contents),
        "decoders": rows,
        "damaged": of_damaged_files(small.getvalue(), found),
        "references_lost": references_lost(small.getvalue(), found),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parent / "results" / f"decoders-{today()}.json"
    parser.add_argument("folders", type=Path, nargs="+", help="PNG or JPEG files")
    parser.add_argument("--out", type=Path, default=default, help="where to write the JSON")
    arguments = parser.parse_args()
    versions: dict[str, str | None] = {}
    for package in ("pyspng", "imagecodecs", "simplejpeg", "opencv-python-headless"):
        try:
            versions[package] = version(package)
        except ImportError:
            versions[package] = None
    document: dict[str, Any] = {
        "date": today(),
        "machine": describe_machine(),
        "versions": versions,
        "pillow_is_built_with": {name: features.version(name) for name in ("zlib_ng", "zlib", "libjpeg_turbo")},
        "folders": {},
    }
    for folder in arguments.folders:
        paths = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".jpg"))[:FILES]
        kind = "PNG" if paths[0].suffix == ".png" else "JPEG"
        found = measure([path.read_bytes() for path in paths], kind)
        document["folders"][folder.name] = {"kind": kind, **found}
        print(f"{folder.name}: {found['files']} {kind} files of {found['width']} x {found['height']}")
        for name, row in found["decoders"].items():
            equal = "equal pixels" if row["equal"] else "other pixels"
            of_damaged = found["damaged"][name], found["references_lost"][name]
            print(f"  {name:28s} {row['milliseconds']:7.2f} ms  {row['ratio']:.2f}  {equal}", *of_damaged)
    write_json(arguments.out, document)
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    main()
