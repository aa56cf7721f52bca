"""The expected memory: the same as real tensors take, and what theory says of its parts."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace

import pytest
import torch

from p2phd_eval.config import DiscriminatorConfig, ExecutionConfig, FeatureConfig, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.training import estimate as module
from p2phd_eval.generators.training.estimate import Estimate, _AsOnCuda, _LivingStorages, trace_steps
from p2phd_eval.presets import PRESETS
from p2phd_eval.report.documents.command_documents import dry_run_document
from p2phd_eval.report.tables.dry_run_tables import dry_run_tables

SIZE = (64, 32)

#: Several tests look at the same estimates.
estimate = functools.cache(module.estimate)


def variants(tiny: TrainConfig) -> dict[str, TrainConfig]:
    """Every kind of graph that the options allow; kinds that do not touch each other are one."""
    local = replace(tiny.generator, kind="local", dropout=True)
    batch_norm = DiscriminatorConfig(ndf=4, n_layers=2, n_scales=3, norm="batch")
    encoded = FeatureConfig(kind="instance", nef=4, n_downsample=2)
    native = ExecutionConfig(arithmetic="native")  # as on a GPU, which is what is estimated where it is left open
    return {
        **{name: replace(tiny, precision=name) for name in ("fp32", "fp64", "amp-fp8")},
        **{name: replace(tiny, precision=name, execution=native) for name in ("amp-bf16", "fp16", "bf16")},
        "emulated": replace(tiny, precision="amp-fp16", execution=ExecutionConfig(arithmetic="emulated")),
        "local, deterministic": replace(tiny, generator=local, execution=ExecutionConfig(deterministic=True)),
        "batch norm": replace(tiny, generator=replace(tiny.generator, norm="batch"), discriminator=batch_norm),
        "photo to photo without feature matching": replace(
            tiny,
            data=replace(tiny.data, label_nc=0, instances=False),
            objective=replace(tiny.objective, gan="vanilla", feature_matching=False, pool_size=5),
        ),
        "features by instance": replace(tiny, features=encoded),
        "features by label in amp-fp16": replace(
            tiny, features=replace(encoded, kind="label"), precision="amp-fp16", execution=native
        ),
        "precomputed": replace(tiny, features=replace(encoded, precomputed=True)),
        "in parts": replace(tiny, execution=ExecutionConfig(grad_accum=2, channels_last=True)),
    }


@pytest.mark.parametrize("name", variants(TrainConfig()))
def test_tensors_without_data_need_what_real_ones_need(tiny: TrainConfig, name: str) -> None:
    config = variants(tiny)[name]
    assert estimate(config, SIZE) == trace_steps(config, SIZE)


def test_tracing_counts_what_is_alive_at_the_peak() -> None:
    """Against a graph whose memory can be counted by hand."""
    n = 1000
    with _LivingStorages() as storages:
        weight = torch.ones(n, requires_grad=True)
        other = torch.ones(n)
        storages.forget_peak()
        del other
        # Each exp keeps its result for the backward, though nothing here refers to it; the sum is 4 bytes.
        loss = weight.exp().exp().sum()
        assert storages.peak_bytes == 3 * 4 * n + 4
        assert storages.bytes_at_peak([weight, weight.view(10, 100), loss]) == 4 * n + 4
        late = weight.detach() + 1
        assert storages.bytes_at_peak([late]) == 4 * n
        del late
        storages.forget_peak()
        early = weight.detach()[: n // 2] * 2
        assert storages.peak_bytes == 3 * 4 * n + 4 + 2 * n
        del early
        after = torch.ones(n // 4)
        assert storages.bytes_at_peak([after]) == 0  # born after the peak


def test_parts_follow_from_the_number_of_parameters(tiny: TrainConfig) -> None:
    names = ("fp32", "fp64", "amp-bf16", "bf16", "fp16", "in parts", "features by instance")
    found = {name: estimate(variants(tiny)[name], SIZE) for name in names}
    n = sum(found["fp32"].parameters.values())
    n_tensors = 2 * 4  # bytes of Adam's step counter, beside its two moments: one for each weight tensor

    def parts(name: str) -> tuple[int, int]:
        return found[name].weights, found[name].optimizer

    weights, optimizer = parts("fp32")
    assert weights == 4 * n
    assert 8 * n < optimizer < 8 * n + 100 * n_tensors
    counters = optimizer - 8 * n
    assert parts("amp-bf16") == (4 * n, 8 * n + counters)
    assert parts("bf16") == (2 * n, 4 * n + counters)
    assert parts("fp16") == ((2 + 4) * n, 8 * n + counters)
    assert parts("fp64") == (8 * n, 16 * n + counters)
    # Halves the batch that is alive at once.
    assert found["in parts"].samples == 1
    assert found["in parts"].activations < 0.7 * found["fp32"].activations
    assert set(found["features by instance"].parameters) == {"G", "D", "E"}


def test_ranks_share_the_batch_and_stand_ins_take_the_same(tiny: TrainConfig) -> None:
    assert estimate(tiny, SIZE, ranks=2) == estimate(replace(tiny, batch_size=1), SIZE)
    assert estimate(replace(tiny, precision="tf32"), SIZE) == estimate(tiny, SIZE)
    assert estimate(replace(tiny, precision="apex-O2"), SIZE) == estimate(replace(tiny, precision="fp16"), SIZE)
    with pytest.raises(InputError, match="a multiple of 3 ranks x 1 parts"):
        estimate(tiny, SIZE, ranks=3)


def test_autocast_pads_in_the_reduced_dtype(tiny: TrainConfig) -> None:
    """As CUDA's does; and outside the estimate the CPU's own rule is back."""
    image = torch.ones(1, 1, 4, 4, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with _AsOnCuda():
            padded = torch.nn.functional.pad(image, (1, 1, 1, 1), mode="reflect")
            assert torch.nn.functional.conv2d(image.float(), torch.ones(1, 1, 1, 1)).dtype == torch.bfloat16
        assert padded.dtype == torch.bfloat16
        assert torch.is_autocast_enabled("cpu")


def test_the_random_generator_is_left_alone(tiny: TrainConfig) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    module.estimate(tiny, SIZE)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_presets_without_their_memory() -> None:
    """The paper's networks at full size, and the VGG19 without its weights."""
    found: dict[str, Estimate] = {
        name: estimate(PRESETS[name], size) for name, size in (("512p", (1024, 512)), ("1024p", (2048, 1024)))
    }
    small, large = found["512p"], found["1024p"]
    # VGG19's 16 convolutions to relu5_1 (Simonyan and Zisserman 2015, configuration E), counted from its table.
    widths = (3, 64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512)
    assert small.parameters["VGG"] == sum(9 * a * b + b for a, b in itertools.pairwise(widths))
    assert large.parameters["G"] > small.parameters["G"]  # it holds the same G1
    assert large.activations > 2.5 * small.activations  # four times the pixels, half of them at the lower resolution
    trained = small.parameters["G"] + small.parameters["D"]
    assert small.weights == 4 * (trained + small.parameters["VGG"])


def test_tables_and_document_show_the_same(tiny: TrainConfig) -> None:
    expected = estimate(tiny, SIZE)
    tables = {table.title: dict(table.rows) for table in dry_run_tables(tiny, expected, n_samples=6)}
    shown = dry_run_document(tiny, expected, n_samples=6).to_builtins()
    assert tables["Configuration"]["generator.ngf"] == str(shown["config"]["generator"]["ngf"])
    assert tables["Schedule"]["steps"] == str(shown["total_steps"]) == "9"  # 3 epochs of 3 batches of 2
    assert tables["Networks"]["generator"].replace(",", "") == str(shown["estimate"]["parameters"]["G"])
    memory = tables["Expected memory of a step in fp32, of each rank"]
    assert memory["total"] == f"{shown['estimate']['total'] / 2**20:.1f} MiB"
    assert sum(float(cell.split()[0]) for cell in memory.values()) == pytest.approx(2 * expected.total / 2**20, abs=0.2)
