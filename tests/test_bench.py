"""The bench: every figure of its document follows from its steps, and it says so when they are those of the loader."""

from __future__ import annotations

import contextlib
import json
import sys
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from p2phd_eval.bench.drawing import draw_data, drawn_size
from p2phd_eval.bench.largest import largest_batch
from p2phd_eval.bench.stage import Stage, Trainee
from p2phd_eval.cli import app
from p2phd_eval.config import DataConfig, FeatureConfig, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.batch import Batch
from p2phd_eval.generators.dataset import TripletDataset
from p2phd_eval.generators.original_options import write_options
from p2phd_eval.generators.peer import original_step
from p2phd_eval.generators.scenes import write_dataset
from p2phd_eval.generators.speed import BenchResult, Measurement, Setting, largest_that_fits, settings
from p2phd_eval.generators.vgg import VGGLoss
from p2phd_eval.presets import PRESETS
from p2phd_eval.torchvision_ops import declare_missing_operators

CPU = torch.device("cpu")
TINY = (
    *("--preset", "demo", "--load-size", "64", "--ngf", "4", "--n-blocks", "1", "--ndf", "4", "--device", "cpu"),
    *("--warm-up", "1", "--steps", "3", "--repeats", "2", "--json", "-"),
)

# Stands for NVIDIA's models/pix2pixHD_model.py, which is not ours to keep here: its interface, its way of calling CUDA
# and its imports, around a convolution each for G and D. It writes down the options that it was given.
CHECKOUT = """
import json
from pathlib import Path
import torch
from torch.autograd import Variable
from torchvision import models
from util.helper import FACTOR

class Pix2PixHDModel(torch.nn.Module):
    loss_names = ["G_GAN", "G_GAN_Feat", "D_real", "D_fake"]

    def initialize(self, opt):
        print(opt)
        (Path(__file__).parent / "options.json").write_text(json.dumps(vars(opt)))
        self.vgg = models.vgg19(pretrained=True).features.cuda()
        self.netG, self.netD = torch.nn.Conv2d(1, 3, 3, padding=1).cuda(), torch.nn.Conv2d(3, 1, 3).cuda()
        self.optimizer_G = torch.optim.Adam(self.netG.parameters(), lr=opt.lr)
        self.optimizer_D = torch.optim.Adam(self.netD.parameters(), lr=opt.lr)

    def forward(self, label, inst, image, feat, infer=False):
        if len(label) > 2:
            raise torch.OutOfMemoryError("3 are too many")
        edges = torch.cuda.ByteTensor(inst.size()).zero_().cuda()
        x = Variable(torch.cuda.FloatTensor(label.size()).zero_() + label.data.long().cuda() + edges, volatile=infer)
        fake = FACTOR * self.netG(x)
        judged, on_fake, on_real = self.netD(fake), self.netD(fake.detach()), self.netD(image)
        return [[(judged - 1).pow(2).mean(), 0, (on_real - 1).pow(2).mean(), on_fake.pow(2).mean()], None]
"""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "pix2pixHD"
    for name, text in (("models/pix2pixHD_model.py", CHECKOUT), ("util/helper.py", "FACTOR = 2.0\n")):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text)
    return folder


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["bench", *(str(argument) for argument in arguments)])


def error_of(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.stderr.split())


def row(precision: str, batch_size: int, *seconds: float, variant: str = "plain", **fields: Any) -> Measurement:
    setting = Setting(precision=precision, batch_size=batch_size, variant=variant)
    return Measurement(setting=setting, seconds=seconds, **fields)


def result_of(*rows: Measurement) -> BenchResult:
    return BenchResult(measurements=rows, largest=(), width=64, height=32)


def test_a_document_agrees_with_its_steps(checkout: Path, tmp_path: Path) -> None:
    result = invoke(*TINY, "--channels-last", "--against", checkout, "--cache", tmp_path / "cache")
    document = json.loads(result.stdout)
    assert (document["schema"], document["device"]) == ("p2phd-eval/bench", "cpu")
    assert document["versions"]["torch"] == torch.__version__
    assert document["input"] == {"width": 64, "height": 32}
    assert (tmp_path / "cache").is_dir()

    rows = {(row["precision"], row["batch_size"], row["variant"]): row for row in document["rows"]}
    ours = ("plain", "channels-last")
    assert set(rows) == {
        *(("fp32", size, "original") for size in (1, 2)),
        *((name, size, variant) for name in ("fp32", "amp-bf16") for size in (1, 2) for variant in ours),
    }
    for (precision, size, variant), found in rows.items():
        assert len(found["seconds"]) == len(found["seconds_waited"]) == 6  # --steps times --repeats
        assert all(0 < wait < whole for wait, whole in zip(found["seconds_waited"], found["seconds"], strict=True))
        assert found["seconds_median"] == pytest.approx(np.median(found["seconds"]))
        assert found["seconds_quartiles"] == pytest.approx(np.percentile(found["seconds"], (25, 75)))
        assert found["images_per_second"] == pytest.approx(size / found["seconds_median"])
        assert found["data_wait"] == pytest.approx(sum(found["seconds_waited"]) / sum(found["seconds"]))
        assert found["peak_memory_bytes"] is None  # torch counts it on CUDA only
        plain = rows[precision, size, "plain"]["seconds_median"]
        expected = None if variant == "plain" else pytest.approx(plain / found["seconds_median"])
        assert found["against_plain"] == expected
        assert found["skipped_steps"] == ({} if variant == "original" else {"G": 0, "D": 0})

    ratios = {ratio["name"]: ratio for ratio in document["ratios"]}
    median = {key: found["seconds_median"] for key, found in rows.items()}
    fp32 = median["fp32", 1, "plain"]
    same = ratios["amp-bf16 against fp32, same batch (1)"]
    twice = ratios["amp-bf16 with twice the batch (2) against fp32, per image"]
    assert (same["value"], same["talk"]) == (pytest.approx(fp32 / median["amp-bf16", 1, "plain"]), 1.8)
    assert (twice["value"], twice["talk"]) == (pytest.approx(2 * fp32 / median["amp-bf16", 2, "plain"]), 2.25)
    for size in (1, 2):
        expected = median["fp32", size, "original"] / median["fp32", size, "plain"]
        assert ratios[f"ours against the original, fp32, batch {size}"]["value"] == pytest.approx(expected)
    assert result.exit_code == int(any(found["data_wait"] > document["most_waiting"] for found in document["rows"]))


def test_steps_that_wait_for_data_are_an_error(tmp_path: Path) -> None:
    """Files of 400 times the pixels that tiny networks see: nearly all of a step is decoding and scaling them down."""
    write_dataset(tmp_path / "data", n_train=2, n_test=0, width=1280, height=640, seed=0)
    target = tmp_path / "bench.json"
    result = invoke(
        tmp_path / "data", *TINY, "--json", target, "--load-size", 32, "--precisions", "fp32", "--repeats", 1
    )
    assert result.exit_code == 1
    assert all(found["data_wait"] > 0.05 for found in json.loads(target.read_text())["rows"])
    assert "expected steps that wait for data at most 5% of their time" in result.stderr
    assert "--workers (now 0)" in result.stderr
    assert "--cache" in result.stderr
    assert "fp32\tplain\t2\t" in result.stdout


def test_the_largest_presets_run_without_what_training_needs(tmp_path: Path) -> None:
    """1024p-feat: no pretrained generator, and feature maps that nobody computed."""
    result = invoke(
        *(
            *TINY,
            "--preset",
            "1024p-feat",
            "--width",
            64,
            "--height",
            64,
            "--n-blocks",
            1,
            "--vgg",
            "none",
            "--steps",
            1,
        ),
        *("--repeats", 1, "--precisions", "fp32", "--batch-sizes", 1),
    )
    document = json.loads(result.stdout)
    assert document["config"]["features"]["precomputed"] is True
    assert document["config"]["data"]["label_nc"] == 35  # the preset's, not the scenes'
    assert document["data"] == {"folder": None, "width": 64, "height": 64}
    assert len(document["rows"]) == 1


def test_drawn_features_are_constant_in_each_instance(tmp_path: Path) -> None:
    config = TrainConfig(data=DataConfig(resize="none"), features=FeatureConfig(kind="instance", precomputed=True))
    draw_data(tmp_path, config, (64, 32))
    dataset = TripletDataset(
        tmp_path, "train", config.data, size_multiple=32, photos=True, augment_seed=None, features=config.features
    )
    sample = dataset[0, 0]
    assert sample.features is not None
    assert sample.instance is not None
    for instance in sample.instance.unique():
        values = sample.features[0][:, sample.instance[0, 0] == instance]
        assert (values == values[:, :1]).all()


def test_files_are_as_large_as_those_of_cityscapes_at_the_originals_sizes() -> None:
    sizes = {name: drawn_size(config) for name, config in PRESETS.items()}
    assert sizes.pop("demo") == (128, 64)
    assert set(sizes.values()) == {(2048, 1024)}


def test_bad_options(tmp_path: Path) -> None:
    assert "--against" in error_of(invoke(*TINY, "--against", tmp_path / "none"))
    assert "found no folder" in error_of(invoke(*TINY, "--against", tmp_path / "none"))
    assert "found a folder without it" in error_of(invoke(*TINY, "--against", tmp_path))
    assert "--batch-sizes: expected whole numbers above 0" in error_of(invoke(*TINY, "--batch-sizes", "1,0"))
    assert "found 'fp8'" in error_of(invoke(*TINY, "--precisions", "fp32,fp8"))
    assert "--precision tf32: expected a CUDA device" in error_of(invoke(*TINY, "--precisions", "tf32"))
    assert "--vgg: expected none | untrained" in error_of(invoke(*TINY, "--vgg", "torchvision"))
    assert "--preset: expected 512p" in error_of(invoke(*TINY, "--preset", "256p"))
    assert "--width, --height: expected no DATA" in error_of(invoke(tmp_path, *TINY, "--width", 64))


def test_ratios_need_what_they_compare() -> None:
    fp32 = row("fp32", 1, 4.0, 4.0, peak_memory_bytes=100)
    amp = row("amp-fp16", 1, 2.0, 1.0, peak_memory_bytes=60)
    (same, memory) = result_of(fp32, amp).ratios()
    assert (same.value, same.interval) == (4 / 1.5, (4 / 1.75, 4 / 1.25))
    assert (memory.value, memory.interval, memory.talk) == (0.6, None, None)
    assert result_of(row("fp32", 1), amp).ratios() == []  # fp32 did not fit
    assert result_of(amp).ratios() == []
    names = [ratio.name for ratio in result_of(fp32, amp, row("amp-fp16", 2, 2.0)).ratios()]
    assert names[1] == "amp-fp16 with twice the batch (2) against fp32, per image"


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(InputError, match="channels-last"):
        Setting(precision="fp32", batch_size=1, variant="channels_last")


def test_untrained_vgg19_keeps_the_size_of_activations() -> None:
    """As trained weights do, so that float16's range means the same; PyTorch's own initial weights lose 3 digits."""
    torch.manual_seed(0)
    loss = VGGLoss("untrained")
    widths = [layer.out_channels for layer in loss.layers if isinstance(layer, torch.nn.Conv2d)]
    # Table 1, column E of the VGG paper; relu5_1 is the last that the loss looks at.
    assert widths == [64, 64, 128, 128, *[256] * 4, *[512] * 5]
    with torch.no_grad():
        activations = torch.nn.Sequential(*loss.layers)(torch.randn(1, 3, 32, 32))
    assert 0.1 < activations.std() < 10
    assert not any(parameter.requires_grad for parameter in loss.parameters())


def test_rows_of_the_table() -> None:
    rows = settings(["fp32", "bf16"], [1, 4], ["compile"], against=True)
    assert [str(setting) for setting in rows] == [
        *("fp32, original, batch 1", "fp32, original, batch 4"),
        *("fp32, batch 1", "fp32, compile, batch 1", "fp32, batch 4", "fp32, compile, batch 4"),
        *("bf16, batch 1", "bf16, compile, batch 1", "bf16, batch 4", "bf16, compile, batch 4"),
    ]


@given(st.integers(0, 5000))
def test_the_search_finds_the_largest_batch(limit: int) -> None:
    asked = []

    def attempt(size: int) -> str | None:
        asked.append(size)
        return None if size <= limit else f"{size} are too many"

    found, reason = largest_that_fits(attempt)
    if limit >= 4096:
        assert (found, reason) == (4096, "no larger one was tried")
    else:
        assert found == limit
        assert reason == f"{limit + 1} are too many"
    assert len(asked) <= 26  # 13 doublings, and as many halvings


class SmallMemory(Stage):
    """The CPU with a memory that is full at 5 samples; a real one would end the process."""

    built = 0

    @contextlib.contextmanager
    def trainee(self, setting: Setting) -> Iterator[Trainee]:
        self.built += 1
        with super().trainee(setting) as trainee:

            def step(batch: Batch) -> object:
                if len(batch.label) > 5:
                    raise torch.OutOfMemoryError("more than 5 samples")
                return trainee.step(batch)

            yield Trainee(step=step, optimizers=trainee.optimizers)


def test_the_largest_batch_is_searched_with_training_steps(tmp_path: Path) -> None:
    config = replace(
        PRESETS["demo"], data=DataConfig(load_size=32), generator=replace(PRESETS["demo"].generator, ngf=2)
    )
    write_dataset(tmp_path / "data", n_train=2, n_test=0, width=32, height=32, seed=0)
    dataset = TripletDataset(
        tmp_path / "data", "train", config.data, size_multiple=4, photos=True, augment_seed=0, features=config.features
    )
    stage = SmallMemory(config, CPU)
    largest = largest_batch(stage, "fp32", [dataset[0, 0], dataset[0, 1]])
    assert (largest.batch_size, largest.reason) == (5, "out of memory")
    assert stage.built == 3  # for 1, 2, 4 and 8, which failed; for 6, which failed; for 5


def test_a_setting_that_does_not_fit_leaves_the_others(checkout: Path) -> None:
    result = invoke(*TINY, "--precisions", "fp32", "--batch-sizes", "1,3", "--repeats", 1, "--against", checkout)
    fits = {(found["variant"], found["batch_size"]): found["fits"] for found in json.loads(result.stdout)["rows"]}
    assert fits == {("original", 1): True, ("original", 3): False, ("plain", 1): True, ("plain", 3): True}
    assert "fp32\toriginal\t3\tdoes not fit" in result.stderr  # beside JSON on stdout


def snapshot() -> dict[str, Any]:
    declare_missing_operators()
    import torchvision

    names = ("models", "util", "options", "data")
    return {
        "path": list(sys.path),
        "modules": {name: module for name, module in sys.modules.items() if name.partition(".")[0] in names},
        "bytecode": sys.dont_write_bytecode,
        "cuda": ("cuda" in vars(torch.Tensor), torch.Tensor.cuda, torch.nn.Module.cuda),
        "types": (torch.cuda.FloatTensor, torch.cuda.ByteTensor),
        "variable": torch.autograd.Variable,
        "vgg": torchvision.models.vgg19,
    }


def test_the_originals_step_leaves_no_trace(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "util", types.ModuleType("util"))  # someone else's of that name
    before = snapshot()
    with original_step(checkout, TrainConfig(), CPU):
        assert torch.cuda.FloatTensor is torch.FloatTensor
    assert snapshot() == before
    assert not list(checkout.rglob("__pycache__"))

    (checkout / "util" / "helper.py").write_text("raise ImportError('half a checkout')\n")
    with (
        pytest.raises(InputError, match="found ImportError: half a checkout"),
        original_step(checkout, TrainConfig(), CPU),
    ):
        pass
    assert snapshot() == before


def test_the_originals_step_updates_both_networks(checkout: Path) -> None:
    batch = Batch(
        triplets=(),
        label=torch.ones(2, 1, 8, 8, dtype=torch.uint8),
        instance=torch.ones(2, 1, 8, 8, dtype=torch.int32),
        photo=torch.rand(2, 3, 8, 8),
    )
    with original_step(checkout, TrainConfig(lr=0.5), CPU) as step:
        model = step.__self__._model  # type: ignore[attr-defined]
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        step(batch)
        after = model.state_dict()
    changed = {name.partition(".")[0] for name in after if (after[name] != before[name]).any()}
    assert changed == {"netG", "netD"}


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_the_original_is_given_our_configuration(preset: str, checkout: Path, tmp_path: Path) -> None:
    """Its options are those that the `opt.txt` of a converted checkpoint records."""
    config = PRESETS[preset]
    with original_step(checkout, config, CPU):
        given = json.loads((checkout / "models" / "options.json").read_text())
    write_options(tmp_path / "opt.txt", config)
    recorded = dict(line.split(": ") for line in (tmp_path / "opt.txt").read_text().splitlines()[1:])
    shared = given.keys() & recorded.keys()
    assert {name: str(given[name]) for name in shared} == {name: recorded[name] for name in shared}
    # How long to train and how files are cut, which our loop and loader do.
    loops = {"niter", "niter_decay", "batchSize", "loadSize", "fineSize", "no_flip", "fp16"}
    assert recorded.keys() - given.keys() == loops
