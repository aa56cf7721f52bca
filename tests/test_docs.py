"""What the documents say about commands and options is there."""

from __future__ import annotations

import importlib
import re
from functools import cache
from typing import Any

import pytest
import typer
from typer.main import get_command

from p2phd_eval.cli import app
from tests.documentation import DOCS

# Every option of the original: options/base_options.py, train_options.py and test_options.py.
ORIGINAL = """
name gpu_ids checkpoints_dir model norm use_dropout data_type verbose fp16 local_rank batchSize loadSize fineSize
label_nc input_nc output_nc dataroot resize_or_crop serial_batches no_flip nThreads max_dataset_size display_winsize
tf_log netG ngf n_downsample_global n_blocks_global n_blocks_local n_local_enhancers niter_fix_global no_instance
instance_feat label_feat feat_num load_features n_downsample_E nef n_clusters
display_freq print_freq save_latest_freq save_epoch_freq no_html debug continue_train load_pretrain which_epoch phase
niter niter_decay beta1 lr num_D n_layers_D ndf lambda_feat no_ganFeat_loss no_vgg_loss no_lsgan pool_size
ntest results_dir aspect_ratio how_many cluster_path use_encoded_image export_onnx engine onnx
""".split()  # noqa: SIM905


@cache
def command() -> Any:
    return get_command(app)


@cache
def rows() -> dict[str, str]:
    """The table of options: each of the original's names to the cell of its counterpart."""
    found = {}
    for line in (DOCS / "from-pix2pixHD.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 3:
            for name in re.findall(r"`([A-Za-z0-9_]+)`", cells[0]):
                assert name not in found, name
                found[name] = cells[1]
    return found


@cache
def options() -> set[str]:
    """Every long option of every command."""

    def of(command: object) -> set[str]:
        names = {
            name
            for parameter in getattr(command, "params", [])
            for name in (*parameter.opts, *parameter.secondary_opts)
            if name.startswith("--")
        }
        return names.union(*(of(child) for child in getattr(command, "commands", {}).values()))

    return of(command()) - {"--install-completion", "--show-completion"}


def test_every_option_of_the_original_has_its_row() -> None:
    assert set(rows()) == set(ORIGINAL)


@pytest.mark.parametrize("name", ORIGINAL)
def test_its_counterpart_is_an_option_here(name: str) -> None:
    counterpart = rows()[name]
    if counterpart in ("gone", "`DATA`"):
        return
    named = re.findall(r"--[a-z0-9-]+", counterpart)
    assert named
    assert set(named) - {"--nproc-per-node"} <= options(), counterpart


@pytest.mark.parametrize("name", ORIGINAL)
def test_the_command_line_answers_with_the_counterpart(name: str) -> None:
    with pytest.raises(typer.TyperException) as caught:
        command().main(["train", f"--{name}"], prog_name="p2phd-eval", standalone_mode=False)
    answer = caught.value.format_message()
    if "No such option" not in answer:
        return  # it has the same name here
    if rows()[name] == "gone":
        assert "It is not needed here" in answer
    else:
        counterparts = set(re.findall(r"--[a-z0-9-]+", rows()[name])) or {"DATA"}
        assert counterparts <= set(re.findall(r"--[a-z0-9-]+|DATA", answer))


DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    *(f"docs/{path.name}" for path in sorted(DOCS.glob("*.md"))),
    "docs/studies/camvid.md",
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_in_documents_have_options_that_exist(document: str) -> None:
    text = re.sub(r"\\\n\s*", " ", (DOCS.parent / document).read_text())  # commands of several lines
    named = set(
        re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", " ".join(re.findall(r"(?:p2phd-eval|p2phd_eval) [^`\n]*", text)))
    )
    assert named <= options()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_to_files_lead_somewhere(document: str) -> None:
    path = DOCS.parent / document
    for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / link).exists(), link


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_in_documents_imports_what_is_there(document: str) -> None:
    for block in re.findall(r"```python\n(.*?)```", (DOCS.parent / document).read_text(), re.DOTALL):
        for module, names in re.findall(r"^from (p2phd_eval[\w.]*) import ([\w, ]+)$", block, re.MULTILINE):
            for name in names.split(", "):
                assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


def test_every_command_has_its_row() -> None:
    first_cells = re.findall(r"^\| (`.*?) (?<!\\)\|", (DOCS / "commands.md").read_text(), re.MULTILINE)
    named = {name for cell in first_cells for name in re.findall(r"[a-z][a-z-]+", cell)}
    for name, child in command().commands.items():
        assert {*name.split(), *getattr(child, "commands", {})} <= named, name


ARCHITECTURE = (DOCS / "architecture.md").read_text()
PACKAGE = DOCS.parent / "p2phd_eval"


def test_every_room_has_its_line_in_the_map() -> None:
    rooms = {f"{path.parent.relative_to(PACKAGE)}/" for path in PACKAGE.rglob("*/__init__.py")}
    ground_floor = {path.name for path in PACKAGE.glob("*.py")}
    rows = re.findall(r"^\| `([\w/]+/|\w+\.py)` \| \S", ARCHITECTURE, re.MULTILINE)
    assert sorted(rows) == sorted(rooms | ground_floor)


def test_every_path_in_the_map_is_there() -> None:
    named = set(re.findall(r"`([\w./*-]*(?:/|\.(?:py|md|toml|j2)))`", ARCHITECTURE))
    assert len(named) > 80
    missing = {path for path in named if not (PACKAGE / path).exists() and not (DOCS.parent / path).exists()}
    assert not missing
