"""Naming the arms of a comparison, as a user types them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from p2phd_eval.commands.options.folders import Baselines, Candidates, FolderOptionsCommand, Positional, Runs
from p2phd_eval.config import DataConfig, DiscriminatorConfig, ExecutionConfig, GeneratorConfig, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.arms import read_arms
from p2phd_eval.files import write_json
from p2phd_eval.generators.checkpoint import latest_path, save_checkpoint
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.generators.training.step import Pix2PixHD
from p2phd_eval.scenes.data_set import CLASSES, write_dataset

CPU = torch.device("cpu")
TINY = TrainConfig(
    data=DataConfig(label_nc=len(CLASSES), load_size=64),
    generator=GeneratorConfig(ngf=4, n_downsample=2, n_blocks=1),
    discriminator=DiscriminatorConfig(ndf=4, n_layers=2),
)
Arms = list[tuple[str, list[str]]]  # name and folders of each, the baseline first
MakeRun = Callable[..., Path]

app = typer.Typer()


@app.command(cls=FolderOptionsCommand)
def compare(
    real: Path,
    positional: Positional = None,
    baselines: Baselines = None,
    candidates: Candidates = None,
    runs: Runs = None,
    margin: float = 0,
    strict: bool = False,
) -> None:
    arms, notes = read_arms(positional or (), baselines or (), candidates or (), runs or ())
    named = [(arm.name, [str(folder) for folder in arm.folders]) for arm in arms]
    typer.echo(json.dumps([str(real), named, notes, margin, strict]))


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def arms_of(*arguments: object) -> tuple[Arms, list[str]]:
    result = call("real", *arguments)
    assert result.exit_code == 0, result.output + repr(result.exception)
    real, named, notes, _, _ = json.loads(result.stdout)
    assert real == "real"
    return [(name, folders) for name, folders in named], notes


def error_of(*arguments: object) -> str:
    error = call("real", *arguments).exception
    assert isinstance(error, InputError), error
    return str(error)


# --- Typed by name


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("runs/fp32/samples runs/amp/samples", [("fp32", ["runs/fp32/samples"]), ("amp", ["runs/amp/samples"])]),
        ("a b c", [("a", ["a"]), ("b", ["b"]), ("c", ["c"])]),
        ("--baseline a b c --candidate d e f", [("baseline", ["a", "b", "c"]), ("candidate", ["d", "e", "f"])]),
        ("--candidate=d e --baseline=a b", [("baseline", ["a", "b"]), ("candidate", ["d", "e"])]),
        ("--baseline a --candidate d e", [("a", ["a"]), ("candidate", ["d", "e"])]),
        (
            "--baseline fp32=a b --candidate amp16=d e --candidate amp-bf16=f g",
            [("fp32", ["a", "b"]), ("amp16", ["d", "e"]), ("amp-bf16", ["f", "g"])],
        ),
        ("--baseline=fp32=a --candidate=amp=b", [("fp32", ["a"]), ("amp", ["b"])]),
        (
            "--baseline a b --candidate c d --candidate x=e f --candidate g h",
            [("baseline", ["a", "b"]), ("candidate 1", ["c", "d"]), ("x", ["e", "f"]), ("candidate 3", ["g", "h"])],
        ),
    ],
)
def test_arms_as_typed(line: str, expected: Arms) -> None:
    assert arms_of(*line.split()) == (expected, [])


@pytest.mark.parametrize(
    ("baseline", "candidate", "names"),
    [
        ("runs/fp32-0/samples runs/fp32-1/samples", "runs/amp-bf16-0/samples runs/amp-bf16-1/samples", "fp32 amp-bf16"),
        ("runs/fp32_s10 runs/fp32_s11", "runs/amp_s10", "fp32 amp_s10"),
        ("s0/fp32/samples s1/fp32/samples", "s0/amp/samples s1/amp/samples", "fp32 amp"),
        ("/x/fp32/0 /x/fp32/1", "/x/amp/0 /x/amp/1", "fp32 amp"),
        ("fp32/0 fp32", "amp/0 amp", "fp32 amp"),
        ("run-0-fp32.npz run-1-fp32.npz", "run-0-amp.npz run-1-amp.npz", "run-fp32.npz run-amp.npz"),
        # What they share tells no arm from the other, or nothing is shared.
        ("run-0 run-1", "run-2 run-3", "baseline candidate"),
        ("fp32 full", "amp half", "baseline candidate"),
    ],
)
def test_an_arm_is_called_by_what_its_paths_share(baseline: str, candidate: str, names: str) -> None:
    arms, _ = arms_of("--baseline", *baseline.split(), "--candidate", *candidate.split())
    assert [name for name, _ in arms] == names.split()


def test_folders_end_at_the_next_option() -> None:
    line = "real --baseline a b --margin 2.5 --candidate c d --strict"
    result = call(*line.split())
    assert json.loads(result.stdout)[1:] == [[["baseline", ["a", "b"]], ["candidate", ["c", "d"]]], [], 2.5, True]
    literal = call("--margin", "1", "--", "real", "--baseline", "b")
    assert json.loads(literal.stdout)[1] == [["--baseline", ["--baseline"]], ["b", ["b"]]]
    after = call("--baseline", "a", "b", "--candidate", "c", "--", "real")
    assert json.loads(after.stdout)[:2] == ["real", [["baseline", ["a", "b"]], ["c", ["c"]]]]


def test_a_path_with_blanks_or_an_equals_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lr=1" / "samples").mkdir(parents=True)
    (tmp_path / "lr=2").mkdir()
    arms, _ = arms_of("--baseline", "lr=1/samples", "--candidate", "lr=2", "--candidate", "x=my lr=3/a,b", "lr=4")
    assert arms == [("lr=1/samples", ["lr=1/samples"]), ("lr=2", ["lr=2"]), ("x", ["my lr=3/a,b", "lr=4"])]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", "found neither"),
        ("a", "found one folder after REAL"),
        ("--baseline a b", "found --baseline"),
        ("--candidate a b", "found --candidate"),
        ("a --candidate b", "found folders after REAL and --candidate"),
        ("a b --runs c", "found folders after REAL and --runs"),
        ("--baseline a --candidate b --runs c", "found --baseline and --candidate and --runs"),
        ("--baseline a --baseline b --candidate c", "found --baseline more than once"),
        ("--baseline a a --candidate b", "expected each folder in one arm, once"),
        ("--baseline a --candidate b/../a/", "expected each folder in one arm, once"),
        ("a b a", "expected each folder in one arm, once"),
        ("--baseline x=a --candidate x=b", "found 'x' 2 times"),
        ("--baseline --candidate b", "--baseline: expected one or more folders after it, found none"),
        ("--baseline= --candidate b", "--baseline: expected one or more folders after it, found an empty text"),
        ("--runs x=a", "found x="),
    ],
)
def test_arms_that_cannot_be_told(line: str, found: str) -> None:
    assert found in error_of(*line.split())


def test_help_says_that_several_folders_may_follow() -> None:
    help_text = call("--help").output
    for option in ("--baseline", "--candidate", "--runs"):
        (line,) = (line for line in help_text.splitlines() if f" {option} " in line)
        assert "FOLDER..." in line
    assert "BASELINE CANDIDATE" in help_text


# --- Told by manifests


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("arms") / "data"
    write_dataset(root, n_train=1, n_test=2, width=64, height=32, seed=0)
    return root


@pytest.fixture(scope="module")
def model_state() -> dict[str, object]:
    return Pix2PixHD(TINY, CPU).state_dict()


@pytest.fixture
def make_run(scenes: Path, model_state: dict[str, object], tmp_path: Path) -> MakeRun:
    """Make a run folder of initial weights with samples; its manifest is the one that `generate` writes."""

    def make(
        name: str,
        *,
        step: int = 9,
        sampling: str = "fp32",
        samples: str = "samples",
        arithmetic: str = "native",
        **config: object,
    ) -> Path:
        run = tmp_path / name
        settings = replace(TINY, **config)  # type: ignore[arg-type]
        if not latest_path(run).exists():
            write_json(run / "config.json", settings.to_dict())
            save_checkpoint(latest_path(run), config=settings, step=step, state=model_state)
        generate(run, scenes, run / samples, device=CPU, precision=sampling, arithmetic=arithmetic)
        return run

    return make


def test_runs_are_seeds_of_the_arm_that_their_manifests_name(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [
        make_run(f"study/{i}", precision=precision, seed=seed)
        for i, (precision, seed) in enumerate(
            [("amp-bf16", 1), ("fp32", 2), ("amp-fp16", 0), ("fp32", 1), ("amp-bf16", 0)]
        )
    ]
    (tmp_path / "study" / "features").mkdir()
    samples = [str(run / "samples") for run in runs]
    expected = [("fp32", [samples[3], samples[1]]), ("amp-bf16", [samples[4], samples[0]]), ("amp-fp16", [samples[2]])]
    assert arms_of("--runs", *runs) == (expected, [])
    assert arms_of("--runs", *samples) == (expected, [])
    assert arms_of("--runs", tmp_path / "study") == (expected, [])
    assert arms_of("--runs", runs[0], samples[1], "--runs", *runs[2:]) == (expected, [])


def test_what_shapes_no_weights_makes_no_arm(make_run: MakeRun) -> None:
    first = make_run("a", seed=0)
    execution = ExecutionConfig(workers=3, cache="x", compile=True)  # how steps are computed, not what
    second = make_run("b", seed=1, log_every=7, validate_every=2, execution=execution)
    arms, notes = arms_of("--runs", first, second, make_run("c", precision="tf32"))
    assert [(name, len(folders)) for name, folders in arms] == [("fp32", 2), ("tf32", 1)]
    assert notes == []


def test_arms_that_differ_in_more_than_precision_are_named_so(make_run: MakeRun) -> None:
    runs = [make_run("a"), make_run("b", precision="tf32"), make_run("c", precision="tf32", step=5, lr=1e-3)]
    arms, (note,) = arms_of("--runs", *runs)
    names = ["fp32", "tf32 (training_step=9, lr=0.0002)", "tf32 (training_step=5, lr=0.001)"]
    assert [name for name, _ in arms] == names
    assert note.startswith("tf32 (training_step=5, lr=0.001) differs from fp32 in more than one precision: ")
    assert "training_step 5 instead of 9, lr 0.001 instead of 0.0002" in note


def test_one_checkpoint_sampled_in_two_precisions_is_two_arms(make_run: MakeRun) -> None:
    run = make_run("a")
    make_run("a", sampling="amp-bf16", samples="sampled-amp")
    arms, notes = arms_of("--runs", run / "sampled-amp", run)
    assert arms == [
        ("fp32 (sampling_precision=fp32)", [str(run / "samples")]),
        ("fp32 (sampling_precision=amp-bf16)", [str(run / "sampled-amp")]),
    ]
    assert notes == []
    # Both precisions at once are two causes.
    other = make_run("b", precision="tf32", sampling="amp-bf16")
    _, (note,) = arms_of("--runs", run, other)
    assert "sampling_precision amp-bf16 instead of fp32" in note


def test_one_checkpoint_generated_by_two_engines_is_two_arms(make_run: MakeRun, scenes: Path) -> None:
    """torch's is the baseline; two int8 graphs are one arm where they were calibrated on the same maps."""
    runs = [make_run("a", seed=0), make_run("b", seed=1)]
    for name, data in (("onnx", None), ("int8", scenes), ("other int8", scenes.parent / "calibration")):
        if data is not None and not data.exists():
            write_dataset(data, n_train=1, n_test=1, width=64, height=32, seed=5)
        precision = "fp32" if data is None else "int8"
        for run in runs:
            options: dict[str, Path] = {} if data is None else {"calibrate_on": data}
            generate(run, scenes, run / name, device=CPU, engine="onnxruntime", precision=precision, **options)  # type: ignore[arg-type]
    torch_and_onnx = [folder for run in runs for folder in (run / "onnx", run)]
    arms, notes = arms_of("--runs", *torch_and_onnx)
    assert arms == [
        ("fp32 (engine=torch)", [str(run / "samples") for run in runs]),
        ("fp32 (engine=onnxruntime)", [str(run / "onnx") for run in runs]),
    ]
    assert notes == []  # an engine is one way to generate, with its precision and its calibration
    arms, notes = arms_of("--runs", *(run / name for name in ("int8", "other int8") for run in runs), *runs)
    assert [len(folders) for _, folders in arms] == [2, 2, 2]
    assert arms[0][0].startswith("fp32 (sampling_precision=fp32, engine=torch")
    assert all("engine=onnxruntime" in name and "calibration=" in name for name, _ in arms[1:])
    assert notes == []


def test_arms_that_differ_in_arithmetic_are_two_and_say_so(make_run: MakeRun) -> None:
    emulated = ExecutionConfig(arithmetic="emulated")
    runs = [make_run("a"), make_run("b", precision="amp-fp16"), make_run("c", precision="amp-fp16", execution=emulated)]
    arms, notes = arms_of("--runs", *runs)
    kinds = ("native", "emulated")
    assert [name for name, _ in arms] == ["fp32", *(f"amp-fp16 (training_arithmetic={kind})" for kind in kinds)]
    told = "training in amp-fp16 was emulated: quality as on tensor cores, speed not"
    assert notes == [f"amp-fp16 (training_arithmetic=emulated): {told}"]
    make_run("a", sampling="amp-fp16", samples="emulated", arithmetic="emulated")
    arms, notes = arms_of("--runs", runs[0], runs[0] / "emulated")
    (name,) = [name for name, folders in arms if folders == [str(runs[0] / "emulated")]]
    assert name == "fp32 (sampling_precision=amp-fp16, sampling_arithmetic=emulated)"
    assert notes == [f"{name}: generation in amp-fp16 was emulated: quality as on tensor cores, speed not"]


def test_a_seed_twice(make_run: MakeRun, tmp_path: Path) -> None:
    first, amp = make_run("a", seed=3), make_run("c", precision="tf32")
    shutil.copytree(first, tmp_path / "copy")
    assert "found the same checkpoint" in error_of("--runs", first, tmp_path / "copy", amp)
    # Another end of the same seed, as GPUs give it: its file differs.
    again = tmp_path / "again"
    shutil.copytree(first / "samples", again)
    manifest = json.loads((again / "manifest.json").read_text())
    write_json(again / "manifest.json", manifest | {"checkpoint_sha256": "0" * 64})
    arms, (note,) = arms_of("--runs", first, again, amp)
    assert arms[0] == ("fp32", [str(first / "samples"), str(again)])
    assert "the same training seed 3" in note


def test_runs_without_one_baseline(make_run: MakeRun) -> None:
    fp32, tf32 = make_run("a"), make_run("b", precision="tf32")
    assert "expected two or more arms, found 1 of one, fp32" in error_of("--runs", fp32)
    amp = make_run("c", precision="amp-bf16")
    message = error_of("--runs", tf32, amp)
    assert "expected one fp32 arm, the baseline, found tf32; amp-bf16" in message
    assert "--baseline FOLDER... --candidate FOLDER..." in message
    message = error_of("--runs", fp32, make_run("d", step=5), amp)
    assert "found fp32 (training_step=9); fp32 (training_step=5)" in message
    assert "each folder in one arm, once" in error_of("--runs", fp32, fp32 / "samples", amp)


def test_runs_without_a_manifest(make_run: MakeRun, tmp_path: Path) -> None:
    fp32 = make_run("study/a")
    make_run("study/b", precision="tf32")
    (tmp_path / "plain").mkdir()
    (tmp_path / "file").touch()
    assert "plain: expected an image folder with manifest.json" in error_of("--runs", fp32, tmp_path / "plain")
    assert "found nothing there" in error_of("--runs", fp32, tmp_path / "none")
    assert "found a file" in error_of("--runs", fp32, tmp_path / "file")
    # A run of the study that was never sampled is not passed over.
    write_json(tmp_path / "study" / "c" / "config.json", TINY.to_dict())
    message = error_of("--runs", tmp_path / "study")
    assert str(tmp_path / "study" / "c") in message
    assert "p2phd-eval generate RUN DATA --out RUN/samples" in message


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"config": 1}', '{"config": {"seed": null}}'])
def test_a_manifest_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    message = error_of("--runs", tmp_path)
    assert "manifest.json" in message
    assert "Generate the images again, or name them with --baseline and --candidate." in message


def test_manifests_of_an_earlier_version(make_run: MakeRun) -> None:
    """Before there were styles, no manifest named one."""
    runs = [make_run("a"), make_run("b", precision="tf32"), make_run("c", seed=1)]
    for path in (run / "samples" / "manifest.json" for run in runs[:2]):
        write_json(path, {key: value for key, value in json.loads(path.read_text()).items() if key != "style"})
    arms, notes = arms_of("--runs", *runs)
    assert [(name, len(folders)) for name, folders in arms] == [("fp32", 2), ("tf32", 1)]
    assert notes == []
