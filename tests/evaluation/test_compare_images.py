from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.compare_images import compare_images
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.stats.verdicts.scope import Scope
from tests.commands.command_line import document_of, invoke
from tests.features import tiny_network
from tests.features.feature_sets import arm_file

SETTINGS = FeatureSettings(network=tiny_network.SPEC, device="cpu", workers=0, cache=False)


def files(folder: Path, *names: str) -> list[Path]:
    return [arm_file(folder / f"{name}.npz", seed=k) for k, name in enumerate(names)]


def test_it_is_what_the_command_shows(tmp_path: Path) -> None:
    real, fp32, amp = files(tmp_path, "real", "fp32", "amp")
    found = compare_images(real, fp32, amp, margin=2.0, explain=True, replicates=20)
    options = ("--margin", 2.0, "--explain", "--replicates", 20, "--json", "-")
    document = document_of(invoke("compare", real, fp32, amp, *options))
    (candidate,), (entry,) = found.candidates, document["candidates"]
    assert (candidate.name, candidate.verdict.value) == (entry["name"], entry["verdict"]) == ("amp.npz", "within")
    assert (candidate.estimate, list(candidate.interval)) == (entry["test"]["estimate"], entry["test"]["interval"])
    assert found.explanations[0].upward[0].id == entry["explanation"]["upward"][0]["id"]
    assert found.arms == {"fp32.npz": (fp32,), "amp.npz": (amp,)}


def test_features_at_hand_are_as_good_as_their_files(tmp_path: Path) -> None:
    paths = files(tmp_path, "real", "fp32", "amp")
    sets = [FeatureSet.load(path) for path in paths]
    by_path, by_set = (compare_images(*each, replicates=0).candidates[0] for each in (paths, sets))
    assert (by_set.name, by_set.estimate) == ("candidate", by_path.estimate)


def test_a_mapping_names_arms_of_several_runs(tmp_path: Path) -> None:
    real, *runs = files(tmp_path, "real", "a0", "a1", "b0", "b1", "c")
    found = compare_images(real, {"fp32": runs[:2], "amp": tuple(runs[2:4])}, replicates=0)
    assert (found.scope, found.baseline_name, found.candidates[0].name) == (Scope.RECIPES, "fp32", "amp")
    fixed = compare_images(real, {"fp32": runs[:2], "amp": runs[2:4]}, scope=Scope.CHECKPOINTS, replicates=0)
    assert fixed.scope is Scope.CHECKPOINTS
    one = compare_images(real, {"fp32": runs[:2], "amp": runs[2:4], "c": runs[4]}, replicates=0)
    assert [each.name for each in one.candidates] == ["amp", "c"]
    assert one.scope is Scope.CHECKPOINTS


def test_a_list_is_the_runs_of_an_arm(tmp_path: Path) -> None:
    real, *runs = files(tmp_path, "real", "fp32-0", "fp32-1", "amp-0", "amp-1")
    by_path = compare_images(real, runs[:2], tuple(runs[2:]), replicates=0)
    assert list(by_path.arms.items()) == [("fp32-npz", tuple(runs[:2])), ("amp-npz", tuple(runs[2:]))]
    sets = [FeatureSet.load(path) for path in runs]
    by_set = compare_images(real, sets[:2], sets[2:], replicates=0, scope="B")
    assert (by_set.scope, by_set.candidates[0].estimate) == (Scope.RECIPES, by_path.candidates[0].estimate)


def test_images_in_memory_pair_up_by_the_ids_they_are_given(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (9, 24, 40, 3), dtype=np.uint8) for _ in range(3)]
    picture = tmp_path / "pictures.png"
    ids = [f"scene {k}" for k in range(9)]
    named = compare_images(
        *(ArraySource(each, ids=ids) for each in arrays), settings=SETTINGS, replicates=0, picture=picture
    )
    assert named.pairing == "triplets"
    assert picture.is_file()
    numbered = compare_images(*arrays, settings=SETTINGS, replicates=0)
    assert numbered.pairing == "independent"
    assert numbered.candidates[0].at_n.estimate == pytest.approx(named.candidates[0].at_n.estimate)


def test_samples_are_paired_by_condition_and_seed_whatever_says_them(tmp_path: Path) -> None:
    """Names on one side, a manifest on the other; explained by condition and drawn with photos and label maps."""
    rng = np.random.default_rng(1)
    lines = []
    for k in range(8):
        write_png(tmp_path / f"real/c{k}.png", rng.integers(0, 256, (24, 40, 3), dtype=np.uint8))
        write_png(tmp_path / f"labels/c{k}.png", rng.integers(0, 3, (24, 40), dtype=np.uint8))
        for seed in range(2):
            for path in (f"base/c{k}@{seed}.png", f"cand/sub/{seed}-{k}.png"):
                write_png(tmp_path / path, rng.integers(0, 256, (24, 40, 3), dtype=np.uint8))
            lines.append({"image": f"sub/{seed}-{k}.png", "condition": f"c{k}", "seed": seed})
    (tmp_path / "cand/manifest.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    real, base, cand, labels = (tmp_path / name for name in ("real", "base", "cand", "labels"))
    picture = tmp_path / "picture.png"
    options = {"replicates": 0, "settings": SETTINGS, "explain": True, "labels": labels, "picture": picture}
    found = compare_images(real, base, cand, **options)
    assert (found.pairing, found.clusters, found.design.sizes) == ("conditions", 8, (8, 16, 16))
    assert str(found.samples) == "8 conditions x 2 seeds"
    (explanation,) = found.explanations
    assert {each.id for each in (*explanation.upward, *explanation.downward)} <= {f"c{k}" for k in range(8)}
    assert [each.name for each in explanation.classes] != []
    assert picture.is_file()


@pytest.mark.parametrize(
    ("arms", "options", "message"),
    [
        ((), {}, "expected images of a baseline and of a candidate, found 0 arms"),
        (("a",), {}, "expected images of a baseline and of a candidate, found 1 arms"),
        (({"fp32": "a"},), {}, "expected images of a baseline and of a candidate, found 1 arms"),
        (({"fp32": "a", "amp": []},), {}, "expected images of a baseline and of a candidate"),
        (("a", []), {}, "expected images of a baseline and of a candidate"),
        (({"fp32": "a"}, "b"), {}, "expected a mapping that holds all of them, found others beside it"),
        (({"fp32": "a", "amp": Path("a")},), {}, "a: expected each folder in one arm, once, found this one 2 times"),
        ((["a", "b"], ["c", "a"]), {}, "a: expected each folder in one arm, once, found this one 2 times"),
        (("a", "b"), {"scope": "C"}, r"--scope: expected A \| B, found 'C'"),
        (("a", "b"), {"scope": "B"}, "expected two or more training seeds an arm"),
        (("a", "b"), {"runs": "study"}, "found both"),
        (("a", "b"), {"margin": 0}, "--margin: expected a number above 0"),
        (("a", "b"), {"margin": "seeds"}, "expected two or more training seeds of the baseline"),
        (("a", "b"), {"scope": Scope.RECIPES}, "expected two or more training seeds an arm"),
        (("a", "b"), {"confidence": 1.0}, "--confidence"),
        (("a", "b"), {}, "real: expected a folder of images"),
    ],
)
def test_what_cannot_be_compared_is_told_before_torch_is_needed(
    arms: tuple[object, ...], options: dict[str, object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        compare_images("real", *arms, **options)  # type: ignore[arg-type]
