"""Random edits are what they promise: possible, apart from each other, and reproducible."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation

from p2phd_eval.editing.apply_edits import masks_of
from p2phd_eval.editing.data_scenes import DataScenes
from p2phd_eval.editing.edits import KINDS, Edit, StyleEdit, apply_edit, kind_of_edit
from p2phd_eval.editing.random_edits import random_edits
from p2phd_eval.editing.scene import split_colours
from p2phd_eval.editing.script import read_script
from p2phd_eval.errors import InputError
from p2phd_eval.images.png import write_png
from p2phd_eval.scenes.data_set import write_dataset


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes that are large enough for several objects."""
    root = tmp_path_factory.mktemp("streets") / "data"
    write_dataset(root, n_train=1, n_test=6, width=128, height=64)
    return root


def by_image(edits: tuple[Edit, ...]) -> dict[str, list[Edit]]:
    found = defaultdict(list)
    for edit in edits:
        found[edit.image].append(edit)
    return found


@pytest.mark.parametrize("instances", [True, False])
def test_edits_of_an_image_do_the_same_in_any_order(instances: bool, streets: Path, chance: random.Random) -> None:
    script = random_edits(streets, per_image=4, instances=instances, seed=chance.randrange(100)).script
    scenes = DataScenes.open(streets, "test", instances=instances)
    mask_of = masks_of(scenes, streets)
    for image, edits in by_image(script.edits).items():
        original = scenes.scene(image)
        alone = [apply_edit(original, edit, mask_of) for edit in edits]
        areas, written = [each.area for each in alone], [each.written for each in alone]
        assert all(area.any() for area in areas)
        for i, one in enumerate(written):
            assert not any((binary_dilation(one) & other).any() for other in written[:i])
        results = []
        for _ in range(3):
            scene, order = original, list(zip(edits, areas, strict=True))
            chance.shuffle(order)
            for edit, area in order:
                edited = apply_edit(scene, edit, mask_of)
                assert np.array_equal(edited.area, area), edit
                scene = edited.scene
            results.append(scene)
        assert results[0] == results[1] == results[2]


def test_every_kind_is_drawn(streets: Path) -> None:
    result = random_edits(streets, per_image=5)
    assert set(result.by_kind) == set(KINDS)
    assert sum(result.by_kind.values()) == len(result.script.edits) <= result.wanted == 30
    assert str(result).startswith(f"{len(result.script.edits)} edits")


def test_the_same_seed_draws_the_same(streets: Path, tmp_path: Path) -> None:
    first = random_edits(streets, tmp_path / "edits.json").script
    assert random_edits(streets).script == first == read_script(tmp_path / "edits.json")
    assert random_edits(streets, seed=1).script.edits != first.edits


def test_kinds_can_be_chosen(streets: Path) -> None:
    edits = random_edits(streets, per_image=1, kinds=["style"], features="label").script.edits
    assert {kind_of_edit(edit) for edit in edits} == {"style"}
    for edit in edits:
        assert isinstance(edit, StyleEdit)
        assert edit.style is not None
        assert edit.style.region == edit.style.label  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_image": 0}, "--per-image: expected at least 1, found 0"),
        ({"seed": -1}, "--seed: expected a whole number from 0"),
        ({"kinds": ["paint"]}, r"--kind: expected style \| label .*, found 'paint'"),
        ({"features": "instance", "instances": False}, "--features: expected label, since no instance maps are used"),
        ({"phase": "val"}, "val_label: expected a folder of images, found nothing there"),
    ],
)
def test_what_cannot_be_drawn(options: dict[str, object], message: str, streets: Path) -> None:
    with pytest.raises(InputError, match=message):
        random_edits(streets, **options)  # type: ignore[arg-type]


def test_colours_are_given_no_styles(streets: Path, tmp_path: Path) -> None:
    for path in sorted((streets / "test_label").iterdir()):
        label = np.asarray(Image.open(path)).astype(np.int32)
        write_png(tmp_path / "test_A" / path.name, split_colours(label * 1_000_003 % (1 << 24)))
    kinds = random_edits(tmp_path, label_nc=0, seed=1).by_kind
    assert kinds and "style" not in kinds
    with pytest.raises(InputError, match="--kind: expected another kind, since no model has styles of colours"):
        random_edits(tmp_path, label_nc=0, kinds=["style"])
