"""What a study is compared with: the test photos of a data set, or any images."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.study.real_images import expected_ids, is_data_set, labels_folder, read_real, real_path
from p2phd_eval.study.study_plan import StudyPlan
from tests.study.small_arms import write_scripts


def plan(data: Path) -> StudyPlan:
    return StudyPlan(data=str(data), data_sha256="0", base=None, arms=("a", "b"), seeds=(0,))


def test_images_of_any_kind_are_real_images(tmp_path: Path) -> None:
    folder = write_scripts(tmp_path) / "real"
    assert not is_data_set(folder)
    files = read_real(folder, None)
    assert files == {f"{i}.png": file_sha256(folder / f"{i}.png") for i in range(6)}
    archive = Path(shutil.make_archive(str(tmp_path / "real"), "zip", folder))
    assert set(read_real(archive, None).values()) == set(files.values())
    found = plan(folder)
    assert (real_path(found), labels_folder(found), expected_ids(found)) == (folder, None, None)


def test_results_beside_their_photos_are_no_real_images(tmp_path: Path) -> None:
    folder = write_scripts(tmp_path) / "real"
    for name in ("0_fake_B.png", "0_real_B.png"):
        shutil.copy(folder / "0.png", folder / name)
    for i in range(6):
        (folder / f"{i}.png").unlink()
    with pytest.raises(InputError, match="fake_B"):
        read_real(folder, None)
