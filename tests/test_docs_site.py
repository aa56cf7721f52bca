"""The documentation site is built for real, its links lead somewhere, its examples run, its tables match the files."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import numpy as np
import pytest

import p2phd_eval
from p2phd_eval.blind_test.scoring import answers_checksum
from p2phd_eval.config import TrainConfig
from p2phd_eval.features.weights.index import WeightsFile
from p2phd_eval.report.documents.blind_test_documents import RESULTS_VERSION
from p2phd_eval.report.documents.document import SCHEMA_VERSION
from p2phd_eval.study.study_plan import StudyPlan, save_plan
from p2phd_eval.tensor_files import read_tensors
from tests.commands.command_line import invoke, noise_folder
from tests.documentation import DOCS, checked, documented_keys, schema_of
from tests.features.feature_sets import arm_file

_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
EXAMPLES = "\n\n".join(_BLOCK.findall((DOCS / "python-api.md").read_text()))

# Beside the names of the front door.
PROMISED = """
evaluation.fid_of_sets.evaluate_fid evaluation.metrics_of_sets.evaluate_metrics
evaluation.comparison.compare_feature_sets evaluation.comparison.explain stats.verdicts.sample_size.plan_sizes
features.feature_set.FeatureSet stats.distances.frechet.frechet_distance stats.distances.kernel.kernel_distance
features.extraction.FeatureExtractor features.networks.module_features.ModuleFeatures
features.networks.inception.load_inception generators.checkpoint.load_checkpoint presets.PRESETS
images.sources.open.open_source images.sources.arrays.ArraySource images.sources.generated.GeneratedSource
errors.DivergenceError
""".split()  # noqa: SIM905


class Page(HTMLParser):
    """The targets and the references of an HTML page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.html = path.read_text(encoding="utf-8")
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.ids.add(str(found["id"]))
        self.links += [str(found[name]) for name in ("href", "src") if found.get(name)]
        if tag == "img":
            self.images.append(found)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does: every warning is an error."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", out / "doctrees"]
    built = subprocess.run([*command, DOCS, out / "html"], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return out / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    # A report that a page links to is no page of the site.
    return {path: Page(path) for path in sorted(site.rglob("*.html")) if "_downloads" not in path.parts}


def test_every_document_is_a_page(site: Path) -> None:
    assert {path.stem for path in DOCS.glob("*.md")} <= {path.stem for path in site.glob("*.html")}


def test_links_and_anchors_inside_the_site_lead_somewhere(pages: dict[Path, Page]) -> None:
    checked = 0
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.name}: {link}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].ids, f"{path.name}: {link}"
            checked += 1
    assert checked > 100


def test_images_are_there_and_have_a_text(pages: dict[Path, Page]) -> None:
    shown = [(path, image) for path, page in pages.items() for image in page.images]
    assert shown
    for path, image in shown:
        assert (path.parent / unquote(str(image["src"]))).is_file(), image
        assert image.get("alt"), image


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, Page]) -> None:
    loaded = re.compile(r"<(?:script|img|link)\b[^>]*\b(?:src|href)=\"(?:https?:)?//[^\"]*\"")
    for path, page in pages.items():
        assert not loaded.search(page.html), path.name


def imported_by_examples() -> set[str]:
    return {
        f"{module}.{name}"
        for module, names in re.findall(r"^from (p2phd_eval[\w.]*) import ([\w, ]+)$", EXAMPLES, re.MULTILINE)
        for name in names.split(", ")
    }


def test_the_public_api_is_documented(site: Path, pages: dict[Path, Page]) -> None:
    documented = pages[site / "python-api.html"].ids
    promised = {f"p2phd_eval.{name}" for name in PROMISED} | imported_by_examples()
    front = {f"p2phd_eval.{name}": f"{home}.{name}" for name, home in p2phd_eval._HOME.items()}
    missing = (promised | set(front)) - documented
    assert {name for name in missing if front.get(name) not in documented} == set()


def test_every_field_of_a_documented_dataclass_is_listed(site: Path, pages: dict[Path, Page]) -> None:
    checked = 0
    for part in pages[site / "python-api.html"].html.split('<dl class="py class">')[1:]:
        module, name = re.findall(r'id="([\w.]+)\.(\w+)"', part)[0]
        documented = getattr(importlib.import_module(module), name)
        if dataclasses.is_dataclass(documented):
            fields = {field.name for field in dataclasses.fields(documented)}
            # A field whose default is a function is shown as code.
            listed = set(re.findall(r'<dt>(?:<strong>|<code[^>]*><span class="pre">)(\w+)<', part))
            assert fields - listed == set(), name
            checked += 1
    assert checked > 20


def test_the_examples_run(inception_weights: WeightsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("real", "fp32", "amp")):
        noise_folder(tmp_path / name, 8, seed=seed)  # one pass of the network
    exec(compile(EXAMPLES, "python-api.md", "exec"), {"__name__": "examples"})


def answers_to(key: dict[str, Any]) -> dict[str, Any]:
    """What the page of a blind test would save; that it does is tested in a browser, with the page."""
    answers = [(trial, "first", "left", 1000) for trial in range(len(key["trials"]))]
    names = ("trial", "chosen", "side", "milliseconds")
    return {
        "schema": "p2phd-eval/blind-test-results",
        "schema_version": RESULTS_VERSION,
        "page": key["page"],
        "session": "0",
        "participant": "Ada",
        "checksum": answers_checksum(key["page"], "0", answers),
        "answers": [dict(zip(names, answer, strict=True)) for answer in answers],
    }


@pytest.fixture(scope="module")
def written(inception_weights: WeightsFile, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Documents and files as the commands write them, by the heading under which artefacts.md describes them."""
    folder = tmp_path_factory.mktemp("written")
    data, run, samples = folder / "scenes", folder / "run", folder / "samples"
    small = ("--preset", "demo", "--load-size", 64, "--ngf", 4, "--ndf", 4, "--n-blocks", 1, "--device", "cpu")
    features, statistics = folder / "features.npz", folder / "statistics.npz"
    real, fp32, amp = (arm_file(folder / f"{name}.npz", seed=k) for k, name in enumerate(("real", "fp32", "amp")))

    def saved(*command: object, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
        result = invoke(*command, "--json", folder / "document.json")
        assert result.exit_code in codes, result.output
        return checked(json.loads((folder / "document.json").read_text()))

    saved("data", "synthesize", data, "--train", 2, "--test", 3, "--width", 64, "--height", 32)
    saved("train", data, "--out", run, *small, "--epochs", 1, "--epochs-decay", 1)
    saved("generate", run, data, "--out", samples, "--device", "cpu")
    saved("features", samples, "--out", features, "--dims", 64, "--device", "cpu")
    saved("features", samples, "--out", statistics, "--dims", 64, "--device", "cpu", "--statistics")
    compared = saved("compare", real, fp32, amp, "--margin", 1, "--explain", "--replicates", 20)
    (folder / "pilot.json").write_text(json.dumps(compared))
    timing = ("--warm-up", 1, "--steps", 1, "--repeats", 1, "--precisions", "fp32", "--batch-sizes", 1)
    save_plan(folder, StudyPlan(data="", data_sha256="", base=TrainConfig(), arms=("fp32", "tf32"), seeds=(0,)))
    saved("blind-test", samples, data / "test_img", "--out", folder / "page.html")
    key, results = folder / "page.key.json", folder / "results.json"
    results.write_text(json.dumps(answers_to(json.loads(key.read_text()))))
    with np.load(features) as archive, np.load(statistics) as moments:
        feature_file, statistics_file = ({name: file[name] for name in file.files} for file in (archive, moments))
    fid = saved("fid", real, fp32, "--replicates", 20)
    return {
        "Configuration file": json.loads((run / "config.json").read_text()),
        "Log": json.loads((run / "log.jsonl").read_text().splitlines()[0]),
        "Checkpoints": read_tensors(run / "checkpoints" / "latest.pt", expected="a checkpoint") | {"pool": None},
        "Manifest": json.loads((samples / "manifest.json").read_text()),
        "Feature file": feature_file,
        "Statistics file": statistics_file,
        "The stamp": json.loads(str(feature_file["stamp"])),
        "fid": fid,
        "The distributions": {
            key: value for key, value in fid["population"].items() if key not in ("confidence", "interval")
        },
        "metrics": saved("metrics", real, fp32),
        "compare": compared,
        "A candidate": compared["candidates"][0],
        "plan": saved("plan", folder / "pilot.json", "--margin", 1),
        # It exits with 1 where a rule is broken.
        "gate": saved("gate", folder / "pilot.json", "--require", "within", codes=(0, 1)),
        # It exits with 1 where the machine was busy and steps waited for data.
        "bench": saved("bench", data, *small, *timing, codes=(0, 1)),
        "Key": json.loads(key.read_text()),
        "Score": saved("blind-test", "--score", key, results),
        "Plan of a study": json.loads((folder / "study.json").read_text()),
    }


@pytest.mark.parametrize(
    "heading",
    [
        *("Configuration file", "Log", "Checkpoints", "Manifest", "Feature file", "Statistics file", "The stamp"),
        *("fid", "The distributions", "metrics", "compare", "A candidate", "plan", "gate", "bench", "Plan of a study"),
        *("Key", "Score"),
    ],
)
def test_files_have_the_documented_keys(written: dict[str, dict[str, Any]], heading: str) -> None:
    assert set(written[heading]) == documented_keys(heading)


@pytest.mark.parametrize(("heading", "name"), [("Log", "log-line"), ("Manifest", "image-folder")])
def test_files_keep_to_their_schemas(written: dict[str, dict[str, Any]], heading: str, name: str) -> None:
    jsonschema.validate(written[heading], schema_of(name))


@pytest.mark.parametrize("heading", ["Key", "Plan of a study"])
def test_documents_keep_to_their_schemas(written: dict[str, dict[str, Any]], heading: str) -> None:
    checked(written[heading])


def test_the_documented_schema_version_is_the_one_written(written: dict[str, dict[str, Any]]) -> None:
    assert f"`schema_version`, now {SCHEMA_VERSION} for all but" in (DOCS / "artefacts.md").read_text()
    for heading in ("fid", "metrics", "compare", "plan", "gate", "bench"):
        document = written[heading]
        assert (document["schema"], document["schema_version"]) == (f"p2phd-eval/{heading}", SCHEMA_VERSION)
