"""Sets under a protocol, from files to a FID: what is stamped, and what is refused when it would mix."""

from pathlib import Path

import numpy as np
import pytest

from p2phd_eval import FeatureSettings, compare_images, compute_fid, compute_metrics, extract_features
from p2phd_eval.errors import InputError
from p2phd_eval.images.protocols import Protocol
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.report.documents.metric_documents import fid_document
from p2phd_eval.report.tables.metric_tables import fid_table
from tests.commands.command_line import noise_folder
from tests.features.feature_sets import feature_set

OURS = Protocol(name="ours", images="ours", n=3, id_form=r"i\d", size=(32, 16), photo_size=(64, 32))
CPU = FeatureSettings(device="cpu", workers=0)
NAMES = ("i0", "i1", "i2")


@pytest.mark.usefixtures("inception_weights")
def test_a_protocol_from_photos_to_a_stamped_fid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Passes of as many images as there are: one takes as long for three as for eight.
    monkeypatch.setattr("p2phd_eval.features.networks.inception.usual_batch_size", lambda device: 3)
    photos, fake = (
        noise_folder(tmp_path / "photos", 3, size=(64, 32)),
        noise_folder(tmp_path / "fake", 3, size=(32, 16)),
    )
    found = compute_fid(photos, fake, protocol=OURS, replicates=2, settings=CPU)
    assert found.fid > 0
    assert (found.real_stamp.protocol, found.real_stamp.resized, found.fake_stamp.resized) == ("ours", "bicubic", None)
    assert fid_document(found, "photos", "fake").stamp.fake.protocol == "ours"  # type: ignore[union-attr]
    assert ("protocol", "ours, photos brought to its size (bicubic)") in fid_table(found, "photos", "fake").rows

    files = {name: tmp_path / f"{name}.npz" for name in ("photos", "fake")}
    extract_features(photos, files["photos"], protocol=OURS, settings=CPU)
    extract_features(fake, files["fake"], protocol=OURS, settings=CPU)
    moments = extract_features(fake, protocol=OURS, statistics=True, settings=CPU)
    assert moments is not None
    assert moments.stamp is not None
    assert (moments.stamp.protocol, moments.stamp.resized) == ("ours", None)
    again = compute_fid(files["photos"], files["fake"], protocol=OURS, replicates=2, settings=CPU)
    assert (again.fid, again.real_stamp) == (found.fid, found.real_stamp)

    # Mixed: with what was extracted without a protocol, and photos in the place of generated images.
    for call in (compute_fid, compute_metrics, lambda real, fake: compare_images(real, fake, fake)):
        with pytest.raises(InputError, match=r"the protocol of .*, ours, found none"):
            call(files["photos"], feature_set(np.zeros((3, 2048)), NAMES, **_space(found.real_stamp)))
    with pytest.raises(InputError, match="found images that were resized"):
        compute_fid(fake, files["photos"], protocol=OURS)


def _space(stamp) -> dict[str, object]:
    return {name: getattr(stamp, name) for name in ("weights", "weights_sha256", "resize", "dtype")}


def test_what_no_protocol_can_hold(tmp_path: Path) -> None:
    photos = noise_folder(tmp_path / "photos", 3, size=(64, 32))
    without = feature_set(np.zeros((3, 2048)), NAMES)
    for real, message in (
        (without, "extracted under ours, found none that say so"),
        (feature_set(np.zeros((3, 2048)), NAMES, protocol="theirs"), "found theirs"),
        (feature_set(np.zeros((2, 2048)), NAMES[:2], protocol="ours"), "the 3 images of ours, found 2 images"),
        (np.zeros((3, 32, 64, 3), dtype=np.uint8), "found images in memory"),
        (open_source(photos), "generated images are not resized"),
    ):
        with pytest.raises(InputError, match=message):
            compute_fid(real, photos, protocol=OURS)
    with pytest.raises(InputError, match=r"the features of pytorch-fid: .* found clean, 2048, fp32"):
        compute_fid(photos, photos, protocol=OURS, settings=FeatureSettings(resize="clean"))  # type: ignore[arg-type]
