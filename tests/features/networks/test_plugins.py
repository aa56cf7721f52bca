from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from p2phd_eval.errors import InputError
from p2phd_eval.features.networks.plugins import load_plugin
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.torchvision_ops import declare_missing_operators
from tests.documentation import DOCS
from tests.features.all_features import all_features

CPU = torch.device("cpu")
_numbers = itertools.count()

THREE_LINES = """
import torch
from p2phd_eval.features.networks.module_features import ModuleFeatures

def build(device, weights):
    module = torch.nn.Conv2d(3, 6, 3)
    module.load_state_dict(torch.load(weights, weights_only=True))
    return ModuleFeatures(module, name="conv", device=device, side=20)
"""

# A network written out, of which the tests below break one member each.
WHOLE = """
import torch
from p2phd_eval.features.identity import NetworkIdentity

def first_pixels(pixels):
    return torch.from_numpy(pixels[:4, :5].copy()).permute(2, 0, 1).to(torch.float32)

class Network:
    identity = NetworkIdentity(weights="means", weights_sha256="0" * 64, resize="corner", dims=3, dtype="float32")
    device = torch.device("cpu")
    batch_size = 4
    prepare = staticmethod(first_pixels)

    def embed(self, batch):
        return batch.mean(dim=(2, 3))

def build(device, weights):
    return Network()
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a module of a name of its own into the current folder and returns "MODULE:build"."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != ""])

    def write(source: str) -> str:
        name = f"plugin_under_test_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(source)
        return f"{name}:build"

    return write


def test_a_plugin_of_the_current_folder_gives_features(plugin, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = torch.nn.Conv2d(3, 6, 3)
    torch.save(module.state_dict(), tmp_path / "conv.pt")
    rng = np.random.default_rng(0)
    for number in range(11):  # not a multiple of the batch
        image = rng.integers(0, 256, (30 + number, 40, 3), dtype=np.uint8)
        write_png(tmp_path / "images" / f"{number:02}.png", image)

    network = load_plugin(plugin(THREE_LINES), device=CPU, weights=tmp_path / "conv.pt")
    source = open_source(tmp_path / "images")
    here, elsewhere = (all_features(source, network, workers=workers) for workers in (0, 2))
    np.testing.assert_array_equal(here.values, elsewhere.values)
    assert here.stamp.weights == "conv"
    assert here.stamp.resize == "pillow-bicubic-20"
    images = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "images").iterdir())]
    prepared = torch.stack([network.prepare(image) for image in images])
    with torch.no_grad():
        expected = module(prepared).mean(dim=(2, 3))
    np.testing.assert_allclose(here.values, expected.numpy(), rtol=0, atol=1e-5)


def test_nothing_else_in_the_current_folder_takes_a_modules_place(
    plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("braceexpand", "colorsys"):  # a package's and Python's
        (tmp_path / f"{name}.py").write_text("raise SystemExit('run')")
        monkeypatch.delitem(sys.modules, name, raising=False)
    load_plugin(plugin(f"import braceexpand, colorsys\n{WHOLE}"), device=CPU, weights=None)


def test_the_documents_example_runs(plugin, tmp_path: Path) -> None:
    page = (DOCS / "feature-spaces.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    declare_missing_operators()
    from torchvision.models import resnet18

    torch.save(resnet18().state_dict(), tmp_path / "resnet18.pth")
    network = load_plugin(plugin(example), device=CPU, weights=tmp_path / "resnet18.pth")
    assert (network.identity.weights, network.identity.dims) == ("resnet18", 512)


def test_a_network_written_out_is_taken_as_it_is(plugin) -> None:
    network = load_plugin(plugin(WHOLE), device=CPU, weights=None)
    assert (network.batch_size, network.identity.dims) == (4, 3)


def test_the_callable_is_given_device_and_weights(plugin, tmp_path: Path) -> None:
    changed = WHOLE.replace("return Network()", "raise ValueError(f'{device} {weights.name}')")
    (tmp_path / "w.bin").touch()
    with pytest.raises(InputError, match=r"found ValueError: cpu w\.bin"):
        load_plugin(plugin(changed), device=CPU, weights=tmp_path / "w.bin")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("import torch\n", "import torch, no_such_package\n", "imported, found ModuleNotFoundError: .*no_such_package"),
        ("class Network:", "class Network", "imported, found SyntaxError"),
        ("def build", "def make", "a callable build in .*, found no such name"),
        ("def build(device, weights):\n    return Network()", "build = 7", "a callable build in .*, found a int"),
        ("def build(device, weights)", "def build(device)", "to return a network, found TypeError: .*positional"),
        ("return Network()", "return 1 / 0", "to return a network, found ZeroDivisionError: division by zero"),
        ("return Network()", "pass", "a network with identity, a NetworkIdentity, found a NoneType without it"),
        ("    batch_size = 4\n", "", "batch_size, an int of at least 1, found a Network without it"),
        ("batch_size = 4", "batch_size = 0", "batch_size to be an int of at least 1, found 0"),
        ("batch_size = 4", "batch_size = 4.0", "batch_size to be an int of at least 1, found 4.0"),
        ("batch_size = 4", "batch_size = True", "batch_size to be an int of at least 1, found True"),
        ('torch.device("cpu")', '"cpu"', "device to be a torch.device, found 'cpu'"),
        ('"0" * 64', '""', "weights_sha256 to be 64 lower-case hexadecimal digits, found ''"),
        ("staticmethod(first_pixels)", "3", "prepare to be a callable, found 3"),
        ("staticmethod(first_pixels)", "staticmethod(lambda p: first_pixels(p))", "prepare to be picklable"),
        (".permute(2, 0, 1)", ".permute(2, 0)", r"prepare to take uint8 \(240, 320, 3\), found RuntimeError"),
        ("torch.from_numpy(pixels", "(pixels", "prepare to take .*, found AttributeError"),
        (
            "    return torch.from",
            "    return pixels\n    return torch.from",
            "prepare to return a Tensor, found a nda",
        ),
        ("batch.mean(dim=(2, 3))", "batch @ batch", r"embed to take \(4, 3, 4, 5\), found RuntimeError"),
        ("batch.mean(dim=(2, 3))", "7", r"embed to return float32 \(4, 3\).*, found a int"),
        ("batch.mean(dim=(2, 3))", "batch.mean(dim=(1, 2, 3))", r"float32 \(4, 3\).*, found float32 \(4,\)"),
        ("batch.mean(dim=(2, 3))", "batch.mean(dim=(2, 3)).half()", r"float32 \(4, 3\).*, found float16 \(4, 3\)"),
        ("dims=3", "dims=5", r"float32 \(4, 5\).*, found float32 \(4, 3\)"),
        ("return batch", "return batch.requires_grad_()", "features without gradients"),
        ("batch.mean(dim=(2, 3))", "batch.mean(dim=(2, 3)).log() * 0 / 0", "finite features, found NaN or infinity"),
        # Batch normalisation and dropout of a module that was left in training mode.
        ("batch.mean(dim=(2, 3))", "batch.mean(dim=(2, 3)) - batch.mean(dim=(0, 2, 3))", "other images of its batch"),
        ("batch.mean(dim=(2, 3))", "batch.mean(dim=(2, 3)) * torch.rand(4, 3).round()", "depend on chance"),
    ],
)
def test_what_is_wrong_with_a_plugin_is_named(plugin, old: str, new: str, match: str) -> None:
    assert old in WHOLE
    torch.manual_seed(0)
    spec = plugin(WHOLE.replace(old, new))
    with pytest.raises(InputError, match=rf"(?s)--feature-network {spec}: expected .*{match}"):
        load_plugin(spec, device=CPU, weights=None)


@pytest.mark.parametrize(
    "spec", ["", "module", "module:", ":build", "my module:build", "module:a:b", "folder/m.py:build"]
)
def test_another_form_of_the_option_is_refused(spec: str) -> None:
    with pytest.raises(InputError, match="expected MODULE:CALLABLE, such as my_module:build"):
        load_plugin(spec, device=CPU, weights=None)


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"--feature-network no_such_module:f.*No module named 'no_such_module'"):
        load_plugin("no_such_module:f", device=CPU, weights=None)


def test_weights_that_are_not_there_are_named_before_the_plugin_runs(plugin, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"--feature-weights .*gone\.pt: expected the plug-in's weights, found nothing there"
    ):
        load_plugin(plugin("raise SystemExit"), device=CPU, weights=tmp_path / "gone.pt")


def test_a_plugins_own_input_error_is_left_as_it_is(plugin) -> None:
    source = (
        "from p2phd_eval.errors import InputError\n"
        "def build(device, weights):\n    raise InputError('my.pt', expected='mine', found='another')"
    )
    with pytest.raises(InputError, match=r"^my\.pt: expected mine, found another\.$"):
        load_plugin(plugin(source), device=CPU, weights=None)
