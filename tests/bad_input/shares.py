"""Bad input: features in equal shares."""

from __future__ import annotations

from pathlib import Path

from p2phd_eval import FeatureSettings, extract_features
from tests.bad_input.case import Case, photos
from tests.features import tiny_network


def _parts() -> None:
    """The shares of some photos, one of them twice, and that of other photos of the same names."""
    photos("photos")
    photos("others")
    settings = FeatureSettings(network=tiny_network.SPEC, device="cpu", workers=0, cache=False)
    for index in range(3):
        extract_features("photos", f"{index}.npz", shard=(index, 3), settings=settings)
    Path("2-again.npz").write_bytes(Path("2.npz").read_bytes())
    extract_features("others", "2-others.npz", shard=(2, 3), settings=settings)


SHARES = (
    Case(
        area="Features in shares",
        kind="A share that there is not",
        make=lambda: photos("photos"),
        typed="features photos --shard 3/3 --out 3.npz",
        words="--shard 3/3: expected one of 0/3 to 2/3, found 3.",
    ),
    Case(
        area="Features in shares",
        kind="More shares than images",
        make=lambda: photos("photos"),
        typed="features photos --shard 0/4 --out 0.npz",
        words="expected at least 1 image for each of 4 shares, found 3 images",
    ),
    Case(
        area="Features in shares",
        kind="Shares that are missing",
        make=_parts,
        typed="features merge 1.npz --out all.npz",
        words="expected all 3 shares of photos, found 0/3, 2/3 missing",
    ),
    Case(
        area="Features in shares",
        kind="A share that is there twice",
        make=_parts,
        typed="features merge 0.npz 1.npz 2.npz 2-again.npz --out all.npz",
        words="expected each share once, found 2/3 a second time",
    ),
    Case(
        area="Features in shares",
        kind="A share of other images",
        make=_parts,
        typed="features merge 0.npz 1.npz 2-others.npz --out all.npz",
        words="expected images of photos, as 0.npz, found others",
    ),
    Case(
        area="Features in shares",
        kind="A share where the whole is wanted",
        make=_parts,
        typed="fid 0.npz photos",
        words="expected features or statistics of a whole set, found those of a share of it",
    ),
    Case(
        area="Features in shares",
        kind="An option that Ray has not",
        make=lambda: photos("photos"),
        typed="features photos --out all.npz --executor ray --executor-option partition=gpu",
        words="--executor-option partition=gpu: expected address | gpus | cpus | at_once | block",
    ),
    Case(
        area="Features in shares",
        kind="A share on a cluster that deals out the images itself",
        make=lambda: photos("photos"),
        typed="features photos --out all.npz --executor ray --shard 0/2",
        words="--shard 0/2: expected it without --executor ray",
    ),
)
