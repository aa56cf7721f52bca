"""What commands do to a run: real ones, that do what they should, or anything else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from PIL import Image

from p2phd_eval.config import DataConfig, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.progress import OnProgress, ProgressFactory, silent, unheard
from p2phd_eval.report.documents.arm_documents import CommandArm
from p2phd_eval.study.arm_inputs import find_inputs
from p2phd_eval.study.artefacts import read_record
from p2phd_eval.study.command_stages import CommandFailed, CommandStages
from p2phd_eval.study.outcome import Outcome, save_outcome
from p2phd_eval.study.run_files import run_folder, samples_folder
from p2phd_eval.study.study_plan import OWN_SAMPLING, StudyPlan
from tests.study.small_arms import write_scripts

PYTHON = ("{python}", "-c")
GENERATE = ("{python}", "generate.py", "{out}", "{seed}", "5")
SAVE = "from PIL import Image; import sys; "
#: Generates, and leaves a link in place of {out}.
AWAY = (
    "import os, runpy, sys; out = sys.argv[1]; runpy.run_path('generate.py');"
    "os.rename(out, '../away'); os.symlink(os.path.abspath('../away'), out)"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_scripts(tmp_path / "code")


@pytest.fixture
def stages(folder: Path, tmp_path: Path) -> Callable[..., CommandStages]:
    def of(
        name: str = "base",
        /,
        *,
        conditions: Path | None = None,
        config: TrainConfig | None = None,
        progress: ProgressFactory = silent,
        **arms: dict[str, object],
    ) -> CommandStages:
        """The stages of the first run of an arm, of a study of arms that are given by what is not usual about them."""
        made = {arm: CommandArm(**{"generate": GENERATE, "folder": str(folder), **own}) for arm, own in arms.items()}
        plan = StudyPlan(
            data=str(folder / "real"),
            data_sha256="0",
            base=config,
            arms=tuple(made),
            seeds=(0, 1),
            made_by=made,
            conditions=None if conditions is None else str(conditions),
        )
        run, arm = plan.run(f"{name}-s0"), made[name]
        heard = {"progress": progress, "note": unheard}
        return CommandStages(tmp_path / "study", plan, run, arm, device=torch.device("cpu"), **heard)  # type: ignore[arg-type]

    return of


def code(text: str, *arguments: str) -> tuple[str, ...]:
    return (*PYTHON, text, *arguments)


def test_images_are_made_once_and_again_when_the_command_is_another(
    stages: Callable[..., CommandStages], tmp_path: Path
) -> None:
    first = stages(base={}).generate(OWN_SAMPLING, None)
    images = tmp_path / "study" / "runs" / "base-s0" / "samples" / "own"
    assert len(open_source(images)) == 6
    log = tmp_path / "study" / "runs" / "base-s0" / "generate.log"
    assert log.read_text() == f"$ {sys.executable} generate.py {images} 0 5\nmade own 0\n"
    assert stages(base={}).generate(OWN_SAMPLING, None) == first
    assert log.read_text().count("made own") == 1
    # Another command, and an image that somebody changed.
    noisier = (*GENERATE[:-1], "50")
    assert stages(base={"generate": noisier}).generate(OWN_SAMPLING, None).sha256 != first.sha256
    (images / "0.png").write_bytes((images / "1.png").read_bytes())
    assert stages(base={}).generate(OWN_SAMPLING, None).sha256 == first.sha256
    assert log.read_text().count("made own") == 3


def test_a_training_is_shared_and_what_it_wrote_is_given_to_generate(
    stages: Callable[..., CommandStages], tmp_path: Path
) -> None:
    train = ("{python}", "train.py", "{run}", "weights of {seed}")
    read = code(
        "import runpy, sys; print(open(sys.argv[1] + '/weights.txt').read());"
        "open(sys.argv[1] + '/options.txt', 'a').write('noted beside the weights');"
        "sys.argv[1:] = sys.argv[2:]; runpy.run_path('generate.py')",
        "{run}",
        "{out}",
        "{seed}",
        "5",
    )
    arms = {"base": {"train": train, "generate": read}, "other": {"run_of": "base", "generate": (*read[:-1], "9")}}
    other = stages("other", **arms)
    trained = other.train()
    other.generate(OWN_SAMPLING, trained)
    assert "weights of 0" in (tmp_path / "study" / "runs" / "other-s0" / "generate.log").read_text()
    assert stages("base", **arms).train() == trained
    log = tmp_path / "study" / "runs" / "base-s0" / "train.log"
    assert log.read_text().count("$") == 1
    # Weights that are others than the training's are made again.
    weights = tmp_path / "study" / "runs" / "base-s0" / "trained" / "weights.txt"
    weights.write_text("others")
    stages("base", **arms).train()
    assert (log.read_text().count("$"), weights.read_text()) == (2, "weights of 0")


def test_a_training_that_failed_is_not_tried_by_each_arm(stages: Callable[..., CommandStages], tmp_path: Path) -> None:
    arms = {"base": {"train": ("{python}", "train.py", "{run}", "0")}, "other": {"run_of": "base"}}
    run = tmp_path / "study" / "runs" / "base-s0"
    run.mkdir(parents=True)
    save_outcome(run, Outcome(status="timed_out", why="train took longer than its 1 s (timeout_s)"))
    with pytest.raises(CommandFailed, match="base-s0, whose training it generates from: train took longer") as failure:
        stages("other", **arms).train()
    assert failure.value.outcome.status == "timed_out"


def test_a_training_goes_on_in_its_folder_unless_it_is_another(
    stages: Callable[..., CommandStages], tmp_path: Path
) -> None:
    """The first try leaves a checkpoint and fails; the next finds it; another command finds an empty folder."""
    text = (
        "import pathlib, sys; path = pathlib.Path(sys.argv[1], 'steps'); before = path.exists();"
        "path.open('a').write('x'); sys.exit(0 if before else 3)"
    )
    arms = {"base": {"train": code(text, "{run}", "{seed}")}}
    for _ in range(2):
        with pytest.raises(CommandFailed, match="exit code 3"):
            stages(base={"train": code(text, "{run}", "other")}).train()
        with pytest.raises(CommandFailed, match="exit code 3"):
            stages(**arms).train()
    assert stages(**arms).train() is not None
    assert (tmp_path / "study" / "runs" / "base-s0" / "trained" / "steps").read_text() == "xx"


@pytest.mark.parametrize(
    ("own", "status", "why"),
    [
        ({"generate": code("pass", "{out}")}, "failed", "wrote no images"),
        ({"generate": code(SAVE + "Image.new('RGB', (9, 9)).save(sys.argv[1] + '/a.png')", "{out}")}, "failed", "one"),
        ({"generate": code("import sys; print('no weights'); sys.exit(7)", "{out}")}, "failed", "code 7: no weights"),
        ({"generate": code("import os; os.kill(os.getpid(), 9)", "{out}")}, "killed", "SIGKILL"),
        ({"generate": code("import os; os.kill(os.getpid(), 11)", "{out}")}, "killed", "SIGSEGV"),
        ({"generate": code("import time; time.sleep(1000)", "{out}"), "timeout_s": 0.5}, "timed_out", "its 0.5 s"),
        ({"generate": code(SAVE + "Image.new('RGB', (9, 9)).save('a.png')", "{out}")}, "failed", "new 'a.png'"),
        ({"generate": code("import os, sys; os.symlink('real', sys.argv[1] + '/a')", "{out}")}, "failed", "links"),
        ({"generate": code(AWAY, "{out}", "{seed}", "5")}, "failed", r"links into \{out\}, such as own"),
        ({"images": "{out}/results"}, "failed", "results: found nothing there"),
        ({"generate": (), "images": "nothing/{seed}"}, "failed", "there are no images: .*nothing/0"),
    ],
)
def test_a_command_that_fails_is_an_outcome(
    own: dict[str, object], status: str, why: str, stages: Callable[..., CommandStages], tmp_path: Path
) -> None:
    with pytest.raises(CommandFailed, match=why) as failure:
        stages(base=own).generate(OWN_SAMPLING, None)
    assert failure.value.outcome.status == status
    assert read_record(tmp_path / "study", "base-s0/generate-own") is None
    stages(base={}).generate(OWN_SAMPLING, None)  # whatever it left


def test_a_training_that_writes_nothing_has_failed(stages: Callable[..., CommandStages]) -> None:
    with pytest.raises(CommandFailed, match=r"train wrote nothing into \{run\}"):
        stages(base={"train": code("pass", "{run}")}).train()


def test_a_command_that_changes_the_training_that_arms_share_has_failed(stages: Callable[..., CommandStages]) -> None:
    train = code("import sys; open(sys.argv[1] + '/weights', 'w')", "{run}")
    of = stages(
        base={
            "train": train,
            "generate": code("import sys; open(sys.argv[1] + '/weights', 'a').write('c')", "{run}", "{out}"),
        }
    )
    with pytest.raises(CommandFailed, match=r"generate changed files of \{run\}, .*trained, which train has to write"):
        of.generate(OWN_SAMPLING, of.train())


def test_images_that_are_there_already_are_taken_where_they_are(
    stages: Callable[..., CommandStages], folder: Path
) -> None:
    (folder / "theirs").mkdir()
    (folder / "real").rename(folder / "theirs" / "0")
    (folder / "real").mkdir()
    of = stages(base={"generate": (), "images": "theirs/{seed}"})
    before = of.generate(OWN_SAMPLING, None)
    (folder / "theirs" / "0" / "5.png").unlink()
    assert of.generate(OWN_SAMPLING, None).sha256 != before.sha256


def test_a_command_that_changes_what_it_is_made_from_or_compared_with_is_refused(
    stages: Callable[..., CommandStages], folder: Path
) -> None:
    with pytest.raises(InputError, match=r"'generate\.py', changed while it ran"):
        text = "import runpy; runpy.run_path('generate.py'); open('generate.py', 'a').write('#')"
        inputs = find_inputs(folder, ["generate.py"], [], "arms.toml")
        stages(base={"generate": code(text, "{out}", "{seed}", "5"), "inputs": inputs}).generate(OWN_SAMPLING, None)
    with pytest.raises(InputError, match=r"leaves .*real as it is"):
        text = "import os; os.remove('real/5.png')"
        stages(base={"generate": code(text, "{out}")}).generate(OWN_SAMPLING, None)
    with pytest.raises(InputError, match=r"'generate\.py', changed since the study was planned"):
        stages(base={"inputs": inputs}).generate(OWN_SAMPLING, None)


def test_placeholders_environment_and_folders_reach_the_command(
    stages: Callable[..., CommandStages], folder: Path, tmp_path: Path
) -> None:
    """A file that is named as a module of Python, in the folder where commands run, is not what the guard imports."""
    (folder / "signal.py").write_text("raise SystemExit('not me')")
    text = "import os, sys; print(os.getcwd(), os.environ['SEED'], sys.argv[1:]); sys.exit(1)"
    own = {"generate": ("{python}", "-I", "-c", text, "{data}", "{device}", "{{out}}", "{out}")}
    of = stages(base={**own, "environment": {"SEED": "<{seed}>"}})
    with pytest.raises(CommandFailed):
        of.generate(OWN_SAMPLING, None)
    run = next(run for run in of._plan.runs if run.name == "base-s0")
    out = samples_folder(tmp_path / "study", run, OWN_SAMPLING)
    log = (run_folder(tmp_path / "study", run) / "generate.log").read_text()
    assert f"{folder} <0> {[str(folder / 'real'), 'cpu', '{out}', str(out)]}" in log


def test_a_script_imports_what_lies_beside_it(
    stages: Callable[..., CommandStages], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line keeps its own processes from the modules of a folder, but not commands from theirs."""
    (folder / "sampler.py").write_text((folder / "generate.py").read_text())
    (folder / "main.py").write_text("import sampler")
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    stages(base={"generate": ("{python}", "main.py", "{out}", "{seed}", "5")}).generate(OWN_SAMPLING, None)


def test_every_condition_of_the_table_is_made_with_the_same_seeds(
    stages: Callable[..., CommandStages], tmp_path: Path
) -> None:
    table = tmp_path / "prompts.csv"
    table.write_text("condition,prompt\ncat,a cat\ndog,a dog\n")
    text = f"""{SAVE}import csv
names = [row["condition"] for row in csv.DictReader(open(sys.argv[1]))]
for image in [name + "@" + seed for name in names for seed in "01"][: int(sys.argv[3])]:
    Image.new("RGB", (24, 16)).save(sys.argv[2] + "/" + image + ".png")
"""
    made = code(text, "{conditions}", "{out}", "4")
    stages(conditions=table, base={"generate": made}).generate(OWN_SAMPLING, None)
    images = tmp_path / "study" / "runs" / "base-s0" / "samples" / "own"
    assert open_source(images).ids == ("cat@0", "cat@1", "dog@0", "dog@1")
    with pytest.raises(
        CommandFailed, match="each of 2 conditions with the same seeds, found 3 images, without 'dog@1'"
    ):
        stages(conditions=table, base={"generate": (*made[:-1], "3")}).generate(OWN_SAMPLING, None)


def test_images_that_a_command_did_not_make_are_not_counted(stages: Callable[..., CommandStages], folder: Path) -> None:
    """Of eight label maps the command draws six, and files of other kinds beside them."""
    for i in range(8):
        path = folder / "real" / "test_label" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (24, 16)).save(path)
    ends = []

    @contextmanager
    def progress(what: str, unit: str) -> Iterator[OnProgress]:
        last: list[tuple[int, int]] = []
        yield lambda done, total: last.append((done, total))
        ends.append((what, unit, last[-1]))

    config = TrainConfig(data=DataConfig(label_nc=3, instances=False))
    text = "import runpy, sys; runpy.run_path('generate.py'); [open(sys.argv[1] + '/' + i, 'w') for i in 'abcd']"
    with pytest.raises(CommandFailed, match="2 of 8 images are missing, such as '6', '7'"):
        made = code(text, "{out}", "{seed}", "5")
        stages(base={"generate": made}, config=config, progress=progress).generate(OWN_SAMPLING, None)
    assert ends == [("generate base-s0", "images", (6, 8))]
