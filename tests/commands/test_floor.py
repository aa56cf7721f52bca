"""`p2phd-eval floor` as a user types it: naming arms, the document, tables and Markdown, and what cannot be used."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from p2phd_eval import noise_floor
from p2phd_eval.commands.floor import floor
from p2phd_eval.evaluation.arms import GivenFolders, read_floor_arms
from p2phd_eval.files import file_sha256
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.floor_documents import FloorDocument
from p2phd_eval.report.tables.floor_tables import render_floor_markdown
from tests.commands.command_line import document_of, error_of, invoke
from tests.documentation import documented_keys
from tests.quality.alexnet import write_random_alexnet
from tests.quality.pictures import folder, scenes

N = 12
NETWORK = ("--feature-network", "tests.quality.random_features:build", "--device", "cpu", "--workers", 0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of a baseline, its benign variants and candidates, of two runs each."""
    root = tmp_path_factory.mktemp("floor")
    for name, amount in (("fp32", 0.0), ("again", 0.0), ("compiled", 4.0), ("fp16", 3.0), ("fp8", 25.0)):
        for run in range(2):
            folder(root / name / str(run), scenes(N, amount=amount, seed=10 * run + len(name)))
    folder(root / "photos", scenes(N, amount=20, seed=5))
    return root


@pytest.fixture
def at(folders: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folders)
    return folders


ONE_RUN = ("floor", "fp32/0", "fp16/0", "fp8/0", "--benign", "again/0", "compiled/0", *NETWORK)


def test_one_run_an_arm_with_real_photos(at: Path, tmp_path: Path) -> None:
    alexnet = write_random_alexnet(tmp_path / "alexnet.pth")
    arguments = (*ONE_RUN, "--real", "photos", "--lpips-weights", alexnet, "--tolerance", 3)
    markdown = tmp_path / "floor.md"
    document = document_of(invoke(*arguments, "--markdown", markdown, "--json", "-"))
    assert set(document) == documented_keys("floor")
    assert (document["baseline"], [each["name"] for each in document["benign"]]) == ("fp32", ["again", "compiled"])
    assert (document["judge"], document["images"], document["real"]) == ("LPIPS", N, "photos")
    assert document["weights_sha256"] == {"LPIPS": file_sha256(alexnet)}
    fp16, fp8 = document["candidates"]
    assert [fp16["verdict"], fp8["verdict"]] == ["inside", "quality-worse"]
    assert set(fp16) == documented_keys("A candidate of floor")
    assert set(fp16["distances"][0]) == documented_keys("A distance of floor")
    assert {row["distance"] for row in fp16["distances"]} == {"1 - SSIM", "MSE", "LPIPS"}
    assert fp16["fid"]["n"] == N
    assert fp8["kid"]["p_value"] < 0.05
    text = markdown.read_text()
    assert "✅ fp16: inside the noise floor." in text
    assert "❌ fp8: quality is worse." in text
    assert MarkdownIt().enable("table").render(text).count("<table>") == 3
    path = tmp_path / "floor.json"
    path.write_text(json.dumps(document))
    read = read_document(path, FloorDocument)
    assert render_floor_markdown(read) == text


def test_without_photos_there_is_kid_and_no_quality(at: Path) -> None:
    result = invoke(*ONE_RUN, "--judge", "ssim")
    assert result.exit_code == 0
    assert "fp8: above the noise floor, quality unknown." in result.stdout
    assert "Without real photos nothing says whether its images are worse." in result.stdout
    assert "# KID between fp32 and the other arms" in result.stdout
    assert "FID" not in result.stdout
    assert "again: every image is the one of fp32, bit for bit" in result.stdout


def test_several_runs_an_arm(at: Path) -> None:
    arms = ("--baseline", "fp32/0", "fp32/1", "--candidate", "int8=fp16/0", "fp16/1", "--benign", "compiled/0")
    document = document_of(invoke("floor", *arms, "compiled/1", *NETWORK, "--judge", "mse", "--json", "-"))
    assert (document["seeds"], document["scope"]) == ([0, 1], "A")
    assert [each["name"] for each in (*document["benign"], *document["candidates"])] == ["compiled", "int8"]
    assert document["candidates"][0]["folders"] == ["fp16/0", "fp16/1"]
    message = error_of(invoke("floor", *arms, *NETWORK))
    assert "runs of compiled/0: expected 2, one for each of fp32" in message


def test_a_floor_of_nothing_is_told(at: Path) -> None:
    result = invoke("floor", "fp32/0", "fp16/0", "fp32/1", "--benign", "again/0", *NETWORK, "--judge", "mse")
    assert "The noise floor is exactly 0" in result.stdout
    assert "fp32/1: inside the noise floor. Its images are those of fp32/0, bit for bit." in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fp32/0", "fp16/0"), "--benign: expected one folder or more, found none"),
        (("fp32/0", "--benign", "again/0"), "one baseline and a candidate, named in one way, found one folder"),
        (("fp32/0", "fp16/0", "--benign", "fp16/0"), "expected each folder in one arm, once"),
        (("fp32/0", "fp16/0", "--benign", "again/0", "again/0"), "expected each folder in one arm, once"),
        (("fp32/0", "fp16/0", "--benign", "nowhere"), "nowhere"),
        (("fp32/0", "fp16/0", "--benign"), "--benign: expected one or more folders after it"),
        (("fp32/0", "fp16/0", "--benign", "again/0", "--judge", "dists"), "--judge dists: expected ssim | mse"),
        (("fp32/0", "fp16/0", "--benign", "again/0", "--tolerance", "0.9"), "--tolerance: expected times the noise"),
        (("fp32/0", "fp16/0", "--benign", "again/0", "--margin", "-1%"), "--margin: expected"),
        (("fp32/0", "fp16/0", "--benign", "again/0", "--cluster-by", "^x"), "--cluster-by ^x"),
        (("fp32/0", "fp16/0", "--benign", "again/0", "--lpips-weights", "no.pth"), "no.pth"),
    ],
)
def test_what_cannot_be_used(at: Path, arguments: tuple[str, ...], message: str) -> None:
    assert message in error_of(invoke("floor", *arguments, *NETWORK))


def test_images_that_do_not_pair(at: Path, tmp_path: Path) -> None:
    others = {
        "names": (scenes(3), list("abc"), "at least 2 ids that all sets share"),
        "one": (scenes(1), ["s00"], "at least 2 ids that all sets share"),
        "size": (scenes(3, size=(40, 40)), None, "the size of the same image"),
    }
    for name, (images, ids, message) in others.items():
        other = folder(tmp_path / name, images, ids)
        assert message in error_of(invoke("floor", "fp32/0", other, "--benign", "compiled/0", *NETWORK))


def test_every_folder_after_benign_is_a_variant_of_one_run() -> None:
    given = [GivenFolders(name="x", folders=(Path("b"),)), GivenFolders(name=None, folders=(Path("c"), Path("d")))]
    arms = read_floor_arms([Path("f"), Path("g")], (), (), given)
    assert [(each.name, len(each.folders)) for each in arms.benign] == [("x", 1), ("c", 1), ("d", 1)]
    several = [GivenFolders(name=None, folders=(Path("f"), Path("g")))]
    arms = read_floor_arms((), several, [GivenFolders(name=None, folders=(Path("h"), Path("i")))], given[1:])
    assert [(each.name, len(each.folders)) for each in arms.benign] == [("benign 1", 2)]


def test_the_call_has_the_same_defaults() -> None:
    of_command, of_call = (inspect.signature(each).parameters for each in (floor, noise_floor))
    shared = ("judge", "tolerance", "margin", "cluster_by", "confidence", "seed", "lpips_weights", "real")
    assert {name: of_command[name].default for name in shared} == {name: of_call[name].default for name in shared}
