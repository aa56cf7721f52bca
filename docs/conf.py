"""The documentation site: Markdown pages and the docstrings of the public API, built without a network."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from typing import Any

from sphinx.application import Sphinx

import p2phd_eval

project = "p2phd-eval"
author = "the authors of p2phd-eval"
copyright = author  # Sphinx's name for it
release = version = p2phd_eval.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
exclude_patterns = ["_build", "studies/*/**"]
default_role = "code"  # `names` in docstrings
nitpicky = True  # a reference that leads nowhere is a warning, and `make docs` makes warnings errors

myst_heading_anchors = 4  # those that GitHub gives to headings, too
myst_enable_extensions = ["deflist"]

autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"  # the docstrings say more: shapes, ranges, units
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
html_title = f"p2phd-eval {release}"
html_copy_source = False
html_show_sphinx = False
html_static_path: list[str] = []

linkcheck_timeout = 30
linkcheck_retries = 2

# In comments, unlike docstrings, stars and bars mean themselves.
_CODE_OR_MARK = re.compile(r"`[^`]*`|[*|]")


def document_fields(
    app: Sphinx, what: str, name: str, documented: Any, options: dict[str, Any], lines: list[str]
) -> None:
    """Turn what stands at a dataclass's fields into an Attributes section, unless its docstring explains them.

    That is the comment behind a field, or the sentence that a setting of a training has.
    """
    if what != "class" or not dataclasses.is_dataclass(documented) or "Parameters" in lines:
        return
    source = textwrap.dedent(inspect.getsource(documented))
    code = source.splitlines()
    (class_definition,) = ast.parse(source).body
    assert isinstance(class_definition, ast.ClassDef)
    known = {field.name: field for field in dataclasses.fields(documented)}
    lines += ["", "Attributes", "----------"]
    for node in class_definition.body:
        if not isinstance(node, ast.AnnAssign):
            continue
        field = ast.unparse(node.target)
        assert node.end_lineno is not None and node.end_col_offset is not None
        comment = code[node.end_lineno - 1][node.end_col_offset :].strip().removeprefix("#").strip()
        # What `dataclasses.field` says is for the class, not for whoever reads about it.
        default = "" if node.value is None or isinstance(node.value, ast.Call) else ast.unparse(node.value)
        if "help" in known[field].metadata:
            comment, default = known[field].metadata["help"], repr(known[field].default)
        comment = _CODE_OR_MARK.sub(lambda found: found[0] if found[0][0] == "`" else f"\\{found[0]}", comment)
        lines += [f"{field} : {ast.unparse(node.annotation)}{default and f', default {default}'}", f"    {comment}"]


def without_fields(
    app: Sphinx, what: str, name: str, documented: Any, options: dict[str, Any], signature: str, returns: str
) -> tuple[str, None] | None:
    """Leave the fields of a dataclass out of its heading: they are listed below it."""
    return ("", None) if what == "class" and dataclasses.is_dataclass(documented) else None


def setup(app: Sphinx) -> None:
    """Connect the handlers; numpydoc, which reads what they write, comes after them."""
    app.connect("autodoc-process-docstring", document_fields, priority=100)
    app.connect("autodoc-process-signature", without_fields)
