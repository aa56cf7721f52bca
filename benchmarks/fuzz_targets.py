"""The readers of the package, each with files that the package wrote and a call that reads them."""

from __future__ import annotations

import functools

from fuzz_blind_test_targets import BLIND_TEST_TARGETS
from fuzz_document_targets import document_targets
from fuzz_feature_targets import FEATURE_TARGETS
from fuzz_image_targets import IMAGE_TARGETS
from fuzz_run_targets import RUN_TARGETS
from fuzz_sample_targets import SAMPLE_TARGETS
from fuzz_table_targets import TABLE_TARGETS
from fuzz_target import Target


@functools.cache
def targets() -> dict[str, Target]:
    """All readers by name."""
    found = (
        *(*IMAGE_TARGETS, *FEATURE_TARGETS, *BLIND_TEST_TARGETS, *TABLE_TARGETS),
        *(*RUN_TARGETS, *SAMPLE_TARGETS, *document_targets()),
    )
    return {target.name: target for target in found}
