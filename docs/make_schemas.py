"""Writes docs/schemas/: the JSON Schema of each JSON document, from its type. `make schemas`."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import json
import pkgutil
import textwrap
from pathlib import Path
from typing import Any

import msgspec

from p2phd_eval.editing.apply_edits import AppliedEdits
from p2phd_eval.editing.script import EditScript
from p2phd_eval.generators.sampling.region_styles import DataStyles
from p2phd_eval.generators.training.run_log import LogRecord
from p2phd_eval.generators.training.training_data import TrainingData
from p2phd_eval.images.image_folder import Manifest
from p2phd_eval.images.made_images import MadeImage
from p2phd_eval.images.sources.manifest_lines import SampleLine
from p2phd_eval.report import documents
from p2phd_eval.report.documents.document import Document, kind_of
from p2phd_eval.runs.held_out import Validation
from p2phd_eval.study.artefacts import Artefact
from p2phd_eval.study.outcome import Outcome

FOLDER = Path(__file__).parent / "schemas"
#: Files, or lines of files, that are no documents with a schema of their own in them.
OTHERS = {
    "applied-edits": AppliedEdits,
    "edits": EditScript,
    "image-folder": Manifest,
    "images-line": MadeImage,
    "log-line": LogRecord,
    "run-outcome": Outcome,
    "sample-line": SampleLine,
    "study-record": Artefact,
    "styles": DataStyles,
    "training-data": TrainingData,
    "validation-line": Validation,
}


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schema of each kind of document."""
    for module in pkgutil.iter_modules(documents.__path__, f"{documents.__name__}."):
        importlib.import_module(module.name)
    of_package = [kind for kind in Document.__subclasses__() if kind.__module__.startswith(documents.__name__)]
    kinds = {kind_of(kind): kind for kind in of_package} | OTHERS
    return {name: _schema(kind) for name, kind in sorted(kinds.items())}


def _schema(kind: type) -> dict[str, Any]:
    """The schema of a type; what stands behind a field in the source is its description."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(kind)}
    classes: dict[str, type] = {}
    _collect(msgspec.inspect.type_info(kind), classes)
    for name, part in schema["$defs"].items():
        if "schema_version" in part.get("properties", {}):
            part["required"].insert(1, "schema_version")
        comments = _comments(classes[name]) if name in classes else {}
        for field, about in part.get("properties", {}).items():
            if field in comments:
                about["description"] = comments[field]
    return schema


def _collect(part: Any, classes: dict[str, type]) -> None:
    """Add all classes that a type of msgspec's is made of, by their names."""
    if isinstance(part, msgspec.inspect.StructType | msgspec.inspect.DataclassType):
        if part.cls.__name__ in classes:
            return
        classes[part.cls.__name__] = part.cls
    for each in (getattr(part, name) for name in getattr(part, "__struct_fields__", ())):
        for inner in each if isinstance(each, tuple) else (each,):
            if isinstance(inner, msgspec.inspect.Type | msgspec.inspect.Field):
                _collect(inner, classes)


def _comments(kind: type) -> dict[str, str]:
    """The comments behind the fields of a Struct or dataclass, those that it has from its base among them."""
    found = {}
    for part in kind.__mro__[::-1]:
        if part.__module__.startswith("p2phd_eval.") and (
            dataclasses.is_dataclass(part) or issubclass(part, msgspec.Struct)
        ):
            source = textwrap.dedent(inspect.getsource(part))
            (definition,) = ast.parse(source).body
            for node in definition.body:
                if isinstance(node, ast.AnnAssign):
                    comment = source.splitlines()[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
                    if text := comment.strip().removeprefix("#").strip():
                        found[ast.unparse(node.target)] = text
    return found


if __name__ == "__main__":
    for name, schema in schemas().items():
        (FOLDER / f"{name}.json").write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
