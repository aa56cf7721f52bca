"""What a noise floor in one call takes for its arms."""

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.quality.noise_floor import noise_floor


@pytest.mark.parametrize(("baseline", "found"), [({"fp32": "a", "again": "b"}, "fp32, again"), ({}, "none")])
def test_there_is_one_baseline(baseline: dict[str, str], found: str) -> None:
    """A second one was once taken for a benign variant, and the variant for a candidate."""
    with pytest.raises(InputError, match=f"baseline: expected one arm, found {found}"):
        noise_floor(baseline, {"int8": "c"}, {"compiled": "d"})
