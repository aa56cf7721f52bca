from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from p2phd_eval.config import ARITHMETICS, ExecutionConfig, TrainConfig
from p2phd_eval.errors import DivergenceError, InputError, MemoryShortage
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.checkpoint import load_checkpoint
from p2phd_eval.generators.training.loop import Watchers, train_networks
from p2phd_eval.generators.training.run_log import LogRecord
from p2phd_eval.generators.training.step import learning_rate

CPU = torch.device("cpu")
TOTAL = 9  # steps of `tiny`


def log_of(run: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    for line in lines:
        for key in ("images_per_second", "data_wait"):  # what depends on the machine
            line.pop(key)
    return lines


def assert_equal_state(a: object, b: object, where: str = "") -> None:
    """Bitwise equality of everything in two checkpoints."""
    if isinstance(a, torch.Tensor):
        assert isinstance(b, torch.Tensor)
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert isinstance(b, dict)
        assert a.keys() == b.keys(), where
        for key in a:
            assert_equal_state(a[key], b[key], f"{where}/{key}")
    else:
        assert a == b, where


def test_a_run_folder_describes_itself(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    records: list[LogRecord] = []
    progress: list[tuple[int, int]] = []
    result = train_networks(
        tiny,
        scenes,
        tmp_path / "run",
        device=CPU,
        watchers=Watchers(on_log=records.append, on_progress=lambda done, total: progress.append((done, total))),
    )
    assert (result.step, result.total_steps, result.stopped_by) == (TOTAL, TOTAL, None)
    settled = replace(tiny, execution=replace(tiny.execution, arithmetic="native"))  # fp32 has no other
    assert TrainConfig.from_dict(json.loads((tmp_path / "run/config.json").read_text())) == settled
    assert [record.step for record in records] == list(range(1, TOTAL + 1))
    assert [record.epoch for record in records] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert progress == [(step, TOTAL) for step in range(1, TOTAL + 1)]
    assert sorted(path.name for path in (tmp_path / "run/grids").iterdir()) == [
        "step_00000004.png",
        "step_00000008.png",
        "step_00000009.png",
    ]
    checkpoint = load_checkpoint(result.checkpoint)
    assert (checkpoint.step, checkpoint.config) == (TOTAL, settled)
    assert checkpoint.versions["torch"] == torch.__version__


def test_learning_rate_is_the_originals() -> None:
    """The original subtracts lr / niter_decay at the end of each epoch beyond niter (train.py, pix2pixHD_model.py)."""
    config = TrainConfig(epochs=3, epochs_decay=4, lr=0.4)
    rate, expected = 0.4, []
    for epoch in range(1, 8):
        expected.append(rate)
        if epoch > 3:
            rate -= 0.4 / 4
    assert [learning_rate(config, epoch) for epoch in range(1, 8)] == pytest.approx(expected)


def test_training_lowers_the_feature_matching_loss(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    train_networks(replace(tiny, epochs=25), scenes, tmp_path / "run", device=CPU)
    losses = [line["losses"]["G_GAN_Feat"] for line in log_of(tmp_path / "run")]  # type: ignore[index]
    assert sum(losses[-9:]) < 0.8 * sum(losses[:9])


# Runs `train_networks`, and after some steps either sends itself a signal, as Ctrl-C or a scheduler would, with real
# handlers; or lets files grow no more, as the kernel does when a disk or a quota is full. Then the next training.
_INTERRUPTED = textwrap.dedent("""
    import json, os, resource, signal, sys
    from pathlib import Path
    import torch
    from p2phd_eval.config import TrainConfig
    from p2phd_eval.errors import InputError
    from p2phd_eval.generators.training.loop import Watchers, train_networks

    torch.set_num_threads(1)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    room = resource.getrlimit(resource.RLIMIT_FSIZE)
    for config, data, out, stop_after, number in json.loads(sys.argv[1]):
        def on_progress(done, total):
            if done == stop_after and number:
                os.kill(os.getpid(), number)
            elif done == stop_after:
                resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, room[1]))
        config = TrainConfig.from_dict(config)
        watchers = Watchers(on_progress=on_progress)
        try:
            result = train_networks(config, Path(data), Path(out), device=torch.device("cpu"), watchers=watchers)
            print(result.step, result.stopped_by, flush=True)
        except InputError as error:
            print(error, flush=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, room)
""")

INTERRUPTIONS = {
    "fp32": signal.SIGINT,
    "amp-bf16": signal.SIGTERM,
    "amp-fp16": signal.SIGTERM,
    "amp-fp8": signal.SIGTERM,
}


@pytest.fixture(scope="module")
def interrupted(scenes: Path, tiny: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run for each precision, which a signal ended after five steps; one with a full disk; at last, one killed.

    In one process, since to start several would take longer than all runs.
    """
    folder = tmp_path_factory.mktemp("interrupted")
    keeping = replace(tiny, checkpoint_every=4)
    trainings = [
        *((replace(tiny, precision=precision), precision, 5, number) for precision, number in INTERRUPTIONS.items()),
        (replace(keeping, grid_every=100), "full", 5, 0),
        (keeping, "killed", 6, signal.SIGKILL),
    ]
    given = [(config.to_dict(), str(scenes), str(folder / name), *end) for config, name, *end in trainings]
    command = [sys.executable, "-c", _INTERRUPTED, json.dumps(given)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr
    (folder / "said").write_text(process.stdout)
    return folder


def test_a_signal_ends_a_run_after_its_step(interrupted: Path) -> None:
    ends = (interrupted / "said").read_text().splitlines()[: len(INTERRUPTIONS)]
    assert ends == [f"5 {int(number)}" for number in INTERRUPTIONS.values()]


@pytest.mark.parametrize("precision", INTERRUPTIONS)
def test_interrupted_and_resumed_is_bitwise_equal_to_uninterrupted(
    scenes: Path, tiny: TrainConfig, interrupted: Path, tmp_path: Path, precision: str
) -> None:
    config = replace(tiny, precision=precision)
    resumed = train_networks(config, scenes, interrupted / precision, device=CPU, resume=True)
    whole = train_networks(config, scenes, tmp_path / "whole", device=CPU)
    # The file too: studies know artefacts by their hash.
    assert file_sha256(whole.checkpoint) == file_sha256(resumed.checkpoint)
    a, b = load_checkpoint(whole.checkpoint), load_checkpoint(resumed.checkpoint)
    assert (a.step, b.step) == (TOTAL, TOTAL)
    for name in ("networks", "optimizers", "rng", "amax_history"):
        assert_equal_state(getattr(a, name), getattr(b, name), name)
    assert log_of(tmp_path / "whole") == log_of(interrupted / precision)


def test_a_killed_run_loses_only_what_came_after_its_checkpoint(
    scenes: Path, tiny: TrainConfig, interrupted: Path
) -> None:
    """SIGKILL leaves no time to save: the log's lines beyond the checkpoint go, and the result is the same."""
    run = interrupted / "killed"
    assert load_checkpoint(run / "checkpoints/latest.pt").step == 4
    assert log_of(run)[-1]["step"] == 6
    with (run / "log.jsonl").open("a") as stream:
        stream.write('{"step": 7, "los')  # a line cut short
    train_networks(replace(tiny, checkpoint_every=4), scenes, run, device=CPU, resume=True)
    assert [line["step"] for line in log_of(run)] == list(range(1, TOTAL + 1))


def test_resume_without_a_run_starts_one_and_a_finished_run_stays(
    scenes: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    first = train_networks(tiny, scenes, tmp_path / "run", device=CPU, resume=True)
    before = first.checkpoint.stat().st_mtime_ns
    time.sleep(0.01)
    again = train_networks(tiny, scenes, tmp_path / "run", device=CPU, resume=True)
    assert again.step == TOTAL
    assert first.checkpoint.stat().st_mtime_ns == before
    assert again.last_record == first.last_record


def test_a_longer_schedule_may_be_resumed(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    train_networks(tiny, scenes, tmp_path / "run", device=CPU)
    longer = replace(tiny, epochs=3, keep_every=1)
    result = train_networks(longer, scenes, tmp_path / "run", device=CPU, resume=True)
    assert result.step == 12
    # That of the epoch which was done already, too: so a run goes on that was killed between saving and keeping.
    kept = {path.name: load_checkpoint(path).step for path in result.checkpoint.parent.glob("epoch_*.pt")}
    assert kept == {"epoch_0003.pt": 9, "epoch_0004.pt": 12}


def test_an_existing_run_is_not_overwritten(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    train_networks(tiny, scenes, tmp_path / "run", device=CPU)
    with pytest.raises(InputError, match="Continue it with --resume"):
        train_networks(tiny, scenes, tmp_path / "run", device=CPU)


def test_resuming_under_another_configuration_names_the_key(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    train_networks(tiny, scenes, tmp_path / "run", device=CPU)
    other = replace(tiny, generator=replace(tiny.generator, ngf=8))
    with pytest.raises(InputError, match=r"config key 'generator\.ngf': expected 4 as the run began, found 8"):
        train_networks(other, scenes, tmp_path / "run", device=CPU, resume=True)


def test_a_run_goes_on_in_the_arithmetic_that_it_began_with(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    """Whatever the machine would choose: left open it is the run's own, and another one is another run."""
    notes: list[str] = []
    asked = {name: ExecutionConfig(arithmetic=name) for name in ARITHMETICS}
    began = replace(tiny, precision="amp-fp16", epochs=1, epochs_decay=0, execution=asked["emulated"])
    train_networks(began, scenes, tmp_path / "run", device=CPU, watchers=Watchers(on_note=notes.append))
    assert notes == ["amp-fp16 is emulated: quality as on tensor cores, speed not."]
    longer = replace(began, epochs=2)
    with pytest.raises(
        InputError, match=r"'execution\.arithmetic': expected 'emulated' as the run began, found 'native'"
    ):
        train_networks(replace(longer, execution=asked["native"]), scenes, tmp_path / "run", device=CPU, resume=True)
    result = train_networks(
        replace(longer, execution=ExecutionConfig()), scenes, tmp_path / "run", device=CPU, resume=True
    )
    assert result.step == 6
    assert load_checkpoint(result.checkpoint).config == longer
    assert repr(result).startswith("TrainResult: amp-fp16, emulated on cpu\n")
    # Where there is nothing to emulate, either is the same.
    for execution in (asked["emulated"], asked["native"]):
        fp32 = replace(tiny, epochs=1, epochs_decay=0, execution=execution)
        result = train_networks(fp32, scenes, tmp_path / "fp32", device=CPU, resume=True)
        assert result.config.execution.arithmetic == "native"


def test_a_diverging_run_stops_and_keeps_its_checkpoint(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"loss \w+ at step \d+: expected a finite number"):
        train_networks(replace(tiny, lr=1e30), scenes, tmp_path / "run", device=CPU)
    assert not (tmp_path / "run/checkpoints").exists()


def test_fewer_samples_than_a_batch(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one batch of 7 samples, found 6 samples"):
        train_networks(replace(tiny, batch_size=7), scenes, tmp_path / "run", device=CPU)


def test_a_full_disk_leaves_the_old_checkpoint(interrupted: Path) -> None:
    run, said = interrupted / "full", (interrupted / "said").read_text()
    assert "expected room to save the checkpoint of step 8" in said
    assert "the checkpoint before is intact" in said
    assert load_checkpoint(run / "checkpoints/latest.pt").step == 4
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["latest.pt"]  # no half-written file stays


def test_an_overflow_of_the_discriminators_is_in_the_log(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    """A scale that D's gradients overflow with: its steps are skipped until the scale has fallen; G's go on."""
    config = replace(tiny, precision="amp-fp16")
    run = tmp_path / "run"
    path = train_networks(replace(config, epochs_decay=0), scenes, run, device=CPU).checkpoint
    document = torch.load(path, weights_only=True)
    for name, scale in (("G", 128.0), ("D", 1e38)):
        document["optimizers"][name]["scaler"]["scale"] = scale
    before = {name: state["skipped_before"] for name, state in document["optimizers"].items()}
    skipped = log_of(run)[-1]["skipped_steps"]
    torch.save(document, path)
    train_networks(config, scenes, run, device=CPU, resume=True)
    first = log_of(run)[6]
    assert first["skipped_steps"] == {"G": skipped["G"], "D": skipped["D"] + 1}  # type: ignore[index]
    assert first["loss_scale"] == {"G": 128.0, "D": pytest.approx(0.5e38)}
    assert before == {"G": 0, "D": 0}


def test_a_loss_scale_that_has_fallen_to_nothing_ends_the_run(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    """GradScaler knows no least scale: below 2**-126 a step without overflow would make all weights NaN."""
    config = replace(tiny, precision="amp-fp16", epochs_decay=0)
    run = tmp_path / "run"
    path = train_networks(replace(config, epochs=1), scenes, run, device=CPU).checkpoint
    document = torch.load(path, weights_only=True)
    document["optimizers"]["D"]["scaler"]["scale"] = 1e-10
    torch.save(document, path)
    with pytest.raises(DivergenceError, match="loss scale of D at step 4: expected 6e-08 or more, found 1e-10: steps"):
        train_networks(config, scenes, run, device=CPU, resume=True)
    assert load_checkpoint(path).step == 3


def test_networks_that_no_machine_holds_are_refused_before_anything_is_written(
    scenes: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    wide = replace(tiny, generator=replace(tiny.generator, ngf=16384))
    with pytest.raises(MemoryShortage, match=r"training: expected at most the .* found at least [\d,]{5,}\.\d GB"):
        train_networks(wide, scenes, tmp_path / "run", device=CPU)
    assert not (tmp_path / "run").exists()
