from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from p2phd_eval.errors import InputError
from p2phd_eval.segmentation.find_segmenter import find_segmenter
from p2phd_eval.torchvision_ops import declare_missing_operators
from tests.documentation import DOCS

CPU = torch.device("cpu")
_numbers = itertools.count()

# A segmenter written out, of which the tests below break one member each.
WHOLE = """
import torch

class Brightest:
    name = "brightest channel"
    identity = "0" * 64
    classes = ("red", "green", "blue")

    def __call__(self, images):
        return images.argmax(dim=3)

def build(device, weights):
    return Brightest()
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a module of a name of its own into the current folder and returns "MODULE:build"."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != ""])

    def write(source: str) -> str:
        name = f"segmenter_under_test_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(source)
        return f"{name}:build"

    return write


def test_a_segmenter_of_the_current_folder_answers(plugin) -> None:
    segmenter = find_segmenter(plugin(WHOLE), weights=None, device=CPU)
    assert (segmenter.name, segmenter.classes) == ("brightest channel", ("red", "green", "blue"))
    images = torch.tensor([[[[9, 1, 2], [0, 0, 5]]], [[[1, 7, 2], [8, 0, 5]]]], dtype=torch.uint8)
    assert segmenter(images).tolist() == [[[0, 2]], [[1, 0]]]


def test_the_documents_example_runs(plugin, tmp_path: Path) -> None:
    (example,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", (DOCS / "segmenters.md").read_text(), re.DOTALL)
        if "def build" in block
    ]
    declare_missing_operators()
    made: dict[str, type[torch.nn.Module]] = {}
    exec(example, made)
    save_file(made["Probe"]().state_dict(), tmp_path / "probe.safetensors")
    segmenter = find_segmenter(plugin(example), weights=tmp_path / "probe.safetensors", device=CPU)
    assert segmenter.classes == ("sky", "building", "road")


def test_other_code_is_another_segmenter(plugin) -> None:
    identities = [
        find_segmenter(plugin(source), weights=None, device=CPU).identity
        for source in (WHOLE, WHOLE, WHOLE.replace("images.argmax", "(255 - images).argmin"))
    ]
    assert identities[0] == identities[1] != identities[2]
    assert re.fullmatch("[0-9a-f]{64}", identities[0])


@pytest.mark.parametrize(
    ("was", "now", "message"),
    [
        ("def build", "def other", "expected a callable build in .*, found no such name"),
        ("return Brightest()", "return None", "expected a segmenter with name, found a NoneType without it"),
        ('"0" * 64', '"v1"', "identity to be 64 lower-case hexadecimal digits, found 'v1'"),
        ('("red", "green", "blue")', "3", "classes to be a tuple of str, found 3"),
        ('"green"', '"red"', "a name of its own each"),
        ("dim=3)", "dim=3).int()", r"int64 \(1, 256, 512\) of class numbers from 0 to 2, found int32 \(1, 256, 512\)"),
        ("argmax(dim=3)", "argmax(dim=3)[:, ::4, ::4]", r"found int64 \(1, 64, 128\)"),
        ("argmax(dim=3)", "argmax(dim=3) + 1", "found 1 to 3"),
        ("argmax(dim=3)", "argmax(dim=3).numpy()", "found a ndarray"),
        ("return images.argmax", "return images.no_such", "AttributeError"),
        ("images.argmax(dim=3)", "torch.randint(0, 3, images.shape[:3])", "not to depend on chance"),
        (
            "images.argmax(dim=3)",
            "(images - images.float().mean(0)).argmax(dim=3)",
            "the other images that come with it, found",
        ),
    ],
)
def test_a_segmenter_that_breaks_the_contract_is_refused(plugin, was: str, now: str, message: str) -> None:
    assert was in WHOLE
    spec = plugin(WHOLE.replace(was, now))
    with pytest.raises(InputError, match=message) as caught:
        find_segmenter(spec, weights=None, device=CPU)
    assert caught.value.where == f"--segmenter {spec}"
