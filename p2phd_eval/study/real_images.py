"""What a study compares with: the test photos of a data set, or real images of any kind."""

from pathlib import Path

from p2phd_eval.config import DataConfig
from p2phd_eval.generators.data.triplets import find_triplets, folder_names
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.study.artefacts import read_data
from p2phd_eval.study.study_plan import StudyPlan


def is_data_set(path: Path) -> bool:
    """Whether a path is a data set in pix2pixHD's layout, with test maps or with photos in their place."""
    return any((path / name).is_dir() for name in ("test_label", "test_A"))


def real_path(plan: StudyPlan) -> Path | None:
    """Return the folder or archive of the real images that everything is compared with; None without any."""
    if not plan.data:
        return None
    return Path(plan.data) if plan.base is None else Path(plan.data) / folder_names("test", plan.base.data)[2]


def labels_folder(plan: StudyPlan) -> Path | None:
    """Return the folder of the test label maps, or of the photos in their place; None without a data set."""
    return None if plan.base is None else Path(plan.data) / folder_names("test", plan.base.data)[0]


def read_real(path: Path, data: DataConfig | None, on_progress: OnProgress = unwatched) -> dict[str, str]:
    """Return the hash of each file that a study is made of, by its name: training and test files, or real images.

    Raises `InputError` if the images cannot be read.
    """
    if data is not None:
        return read_data(path, data, (data.phase, "test"), on_progress)
    source, found = open_source(path, generated=False), dict[str, str]()
    for index, name in enumerate(source.names):
        found[name] = source.content_sha256(index)
        on_progress(index + 1, len(source))
    return found


def expected_ids(plan: StudyPlan) -> frozenset[str] | None:
    """Return what the images of a command have to be called; None where their names are free."""
    if plan.base is None:
        return None
    return frozenset(each.key for each in find_triplets(Path(plan.data), "test", plan.base.data, photos=False))
