"""JSON documents: every kind of them, and what reads those of comparisons."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import typer
from fuzz_feature_targets import made_features
from fuzz_target import Case, Target
from msgspec import inspect as types

from p2phd_eval.files import json_text
from p2phd_eval.report.documents.document import Document, read_document


@functools.cache
def document_kinds() -> dict[str, type[Document]]:
    """All kinds of documents, by their names."""
    import importlib
    import pkgutil

    from p2phd_eval.report import documents
    from p2phd_eval.report.documents.document import kind_of

    for module in pkgutil.iter_modules(documents.__path__):
        importlib.import_module(f"{documents.__name__}.{module.name}")

    def below(kind: type[Document]) -> list[type[Document]]:
        return [each for sub in kind.__subclasses__() for each in (sub, *below(sub))]

    return {kind_of(kind): kind for kind in below(Document) if kind.__struct_config__.tag}


def example(kind: types.Type, rng: random.Random) -> Any:
    """Make JSON values of a type, by chance."""
    if isinstance(kind, types.Metadata):
        return example(kind.type, rng)
    if isinstance(kind, types.UnionType):
        return example(rng.choice(kind.types), rng)
    if isinstance(kind, types.StructType | types.DataclassType | types.TypedDictType):
        made = {
            each.encode_name: example(each.type, rng) for each in kind.fields if each.required or rng.random() < 0.8
        }
        if isinstance(kind, types.StructType) and kind.tag_field is not None:
            made[kind.tag_field] = kind.tag
        return made
    if isinstance(kind, types.CollectionType | types.VarTupleType):
        return [example(kind.item_type, rng) for _ in range(rng.choice((1, 1, 2, 3)))]
    if isinstance(kind, types.TupleType):
        return [example(each, rng) for each in kind.item_types]
    if isinstance(kind, types.DictType):
        keys = ("0", "19") if isinstance(kind.key_type, types.IntType) else ("a", "b", "fp32")
        return {rng.choice(keys): example(kind.value_type, rng) for _ in range(rng.choice((1, 2)))}
    if isinstance(kind, types.EnumType):
        return rng.choice([each.value for each in kind.cls])
    if isinstance(kind, types.LiteralType):
        return rng.choice(list(kind.values))
    plain: dict[type, Any] = {
        types.IntType: rng.choice((2, 3, 8, 60)),
        types.FloatType: rng.choice((0.5, 2.0, -1.25, 0.0)),
        types.BoolType: rng.random() < 0.5,
        types.StrType: rng.choice(("fp32", "amp-bf16", "text", "0" * 64)),
        types.NoneType: None,
    }
    return plain.get(type(kind), {})


def _document_seeds(kind: str) -> Callable[[Path], list[Case]]:
    def seeds(work: Path) -> list[Case]:
        cls = document_kinds()[kind]
        described = types.type_info(cls)
        cases = []
        for n in range(12):
            made = example(described, random.Random(n))
            made["schema_version"] = msgspec.structs.fields(cls)[0].default
            cases.append({"document.json": json.dumps(made, indent=2).encode()})
        return cases

    return seeds


def _read_one_document(kind: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        document = read_document(folder / "document.json", document_kinds()[kind])
        json_text(document.to_builtins())

    return read


def _comparison_seeds(work: Path) -> list[Case]:
    from p2phd_eval.evaluation.comparison import FeatureArm, compare_feature_sets
    from p2phd_eval.report.documents.comparison_documents import comparison_document
    from p2phd_eval.stats.verdicts.margins import parse_margin

    cases = []
    for runs, judge, margin in (
        (1, "fid-at-n", "2"),
        (2, "fid-at-n", None),
        (1, "kid", "10%"),
        (2, "fid-at-n", "seeds"),
    ):
        arms = [
            FeatureArm(name=name, runs=tuple(made_features(seed + k) for k in range(runs)))
            for name, seed in (("fp32", 20), ("amp", 30))
        ]
        rule = None if margin is None else parse_margin(margin)
        result = compare_feature_sets(made_features(1), arms, margin=rule, judge=judge, replicates=2, seed=0)
        document = comparison_document(result, "real", [[Path("a")] * runs, [Path("b")] * runs])
        cases.append({"document.json": json_text(document.to_builtins()).encode()})
    return cases + _document_seeds("report")(work)


def _read_comparison(folder: Path) -> None:
    from p2phd_eval.commands.gate import RequireOption, gate
    from p2phd_eval.commands.plan import plan
    from p2phd_eval.errors import InputError

    given, written = folder / "document.json", str(folder / "out.json")
    outputs: dict[str, Any] = {"junit": folder / "gate.xml", "summary": folder / "gate.md", "json_target": written}
    refused: list[InputError] = []
    try:
        gate(report=given, require=RequireOption.WITHIN, max_dfid=1.0, max_dkid=0.1, **outputs)
    except typer.Exit:
        pass  # a rule is broken
    except InputError as error:
        refused.append(error)
    plan(pilot=given, margin="10%", json_target=written)
    if refused:
        raise refused[0]


def document_targets() -> list[Target]:
    """One for each kind of document, and one for a comparison's."""
    kinds = [
        Target(name=f"document-{kind}", seeds=_document_seeds(kind), read=_read_one_document(kind))
        for kind in document_kinds()
    ]
    return [Target(name="comparison", seeds=_comparison_seeds, read=_read_comparison), *kinds]
