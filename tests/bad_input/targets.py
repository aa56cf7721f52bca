"""Bad input: targets."""

from __future__ import annotations

from pathlib import Path

from tests.bad_input.case import Case, data_set, photos


def _link_to_itself() -> None:
    Path("loop.json").symlink_to("loop.json")


TARGETS = (
    Case(
        area="Targets",
        kind="A folder where a file is to be written",
        make=lambda: Path("out").mkdir(),
        typed="plan --image-sd 60 --margin 2 --json out",
        words="expected a file to write, found a folder",
    ),
    Case(
        area="Targets",
        kind="A web server",
        make=lambda: photos("photos"),
        typed="features photos --out https://me:word@host/photos.npz?signed=1",
        words="https://***@host/photos.npz?...",
    ),
    Case(
        area="Targets",
        kind="A link to itself",
        make=_link_to_itself,
        typed="plan --image-sd 60 --margin 2 --json loop.json",
        words="loop.json",
    ),
    Case(
        area="Targets",
        kind="A full disk",
        make=lambda: None,
        typed="plan --image-sd 60 --margin 2 --json /dev/full",
        words="/dev/full: expected to read or write it, found: No space left on device.",
    ),
    Case(
        area="Targets",
        kind="A folder that is in use as a data set already",
        make=data_set,
        typed="data synthesize data --train 1 --test 1",
        words="expected a new or empty folder",
    ),
    Case(
        area="Targets",
        kind="A name that Slurm cannot write its logs to",
        make=data_set,
        typed="study data --out a\\b --slurm --arms fp32,amp-bf16 --load-size 32 --n-downsample 2 --vgg none",
        words="expected a path that Slurm can write its logs to",
    ),
)
