"""The published JSON Schemas are those of the types, and what is written keeps to them."""

from __future__ import annotations

import copy
import json
import runpy
from typing import Any

import jsonschema
import pytest

from tests.documentation import DOCS, schema_of
from tests.report.compared import compared

SCHEMAS: dict[str, Any] = runpy.run_path(str(DOCS / "make_schemas.py"))["schemas"]()
OF_CAMVID = json.loads((DOCS / "studies" / "camvid" / "report.json").read_text())


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_published_schema_is_that_of_the_type(name: str) -> None:
    assert schema_of(name) == json.loads(json.dumps(SCHEMAS[name])), "make schemas"
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])


def test_no_schema_is_left_over_and_all_are_linked() -> None:
    assert {path.stem for path in (DOCS / "schemas").iterdir()} == set(SCHEMAS)
    text = (DOCS / "artefacts.md").read_text()
    assert [name for name in SCHEMAS if f"](schemas/{name}.json)" not in text] == []


def test_a_report_and_a_comparison_keep_to_their_schemas() -> None:
    jsonschema.validate(OF_CAMVID, SCHEMAS["report"])
    jsonschema.validate(OF_CAMVID["speed"]["bench"], SCHEMAS["bench"])
    jsonschema.validate(compared(), SCHEMAS["compare"])


def test_a_schema_says_what_stands_behind_a_field() -> None:
    about = SCHEMAS["report"]["$defs"]["Candidate"]["properties"]["swap_test"]
    assert about["description"] == "one run an arm alone"


@pytest.mark.parametrize("key", ["schema", "schema_version", "candidates", "stamp"])
def test_what_lacks_or_garbles_a_value_does_not(key: str) -> None:
    for damage in ("gone", None):
        document = copy.deepcopy(compared())
        document[key] = damage
        if damage == "gone":
            del document[key]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(document, SCHEMAS["compare"])
