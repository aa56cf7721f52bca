"""Bad input: executors of a study."""

from __future__ import annotations

from functools import partial

from tests.bad_input.arms_files import arms
from tests.bad_input.case import Case

_SECOND = 'name = "b"\nimages = "real"'

EXECUTORS = tuple(
    Case(
        area="Executors of a study",
        kind=kind,
        make=partial(arms, _SECOND),
        typed=f"study real --arms arms.toml --out study --device cpu {options}",
        words=words,
    )
    for kind, options, words in (
        (
            "An option of another executor",
            "--executor slurm --executor-option address=head:6379",
            "--executor-option address=head:6379: expected partition | account",
        ),
        (
            "An option of a cluster for processes of this machine",
            "--executor-option gpus=2",
            "--executor-option gpus=2: expected none: --executor local has no options",
        ),
        (
            "An address where no Ray cluster is",
            "--executor ray --executor-option address=127.0.0.1:1",
            "--executor ray: expected a Ray cluster at 127.0.0.1:1, found none",
        ),
        ("An option without a value", "--executor ray --executor-option gpus", "expected KEY=VALUE, found 'gpus'"),
        ("A time that is none", "--executor slurm --executor-option time=soon", "expected a time as sbatch takes it"),
        ("Slurm's short form for Ray", "--slurm --executor ray", "--slurm: expected it with --executor slurm"),
    )
)
