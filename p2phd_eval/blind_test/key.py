"""The key of a blind test: a file beside the page that says which image of a pair is whose."""

import platform
from pathlib import PurePath

import numpy as np
import PIL

import p2phd_eval
from p2phd_eval.blind_test.trials import BlindTest
from p2phd_eval.errors import InputError
from p2phd_eval.files import write_json
from p2phd_eval.images.image_folder import read_manifest
from p2phd_eval.report.documents.blind_test_documents import ImagesOfKey, KeyDocument, TrialOfKey
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.exposure_plan import ExposureOfKey
from p2phd_eval.stores.store_path import AnyPath


def key_path(page: AnyPath) -> AnyPath:
    """Return where the key of a page lies: ``page.key.json`` beside ``page.html``."""
    return page.parent / f"{PurePath(page.name).stem}.key.json"


def write_key(
    path: AnyPath,
    test: BlindTest,
    *,
    baseline: AnyPath,
    candidate: AnyPath,
    reference: AnyPath | None,
    seed: int,
    exposure: ExposureOfKey | None = None,
) -> None:
    """Write the key of a blind test, with what it was made from, and under a time limit with times, rules and checks.

    Raises `InputError` if the key of another page is there: without it the answers to that page could never be scored.
    """
    page = test.page if exposure is None else exposure.identity()
    if path.exists():
        try:
            before = read_key(path).page
        except InputError:
            before = ""
        if before != page:
            raise InputError(
                str(path),
                expected="no file, or the key of this very page",
                found="the key of another page" if before else "another file",
                fix="Choose another --out."
                + (" Delete the key only if no answers to its page are to be scored any more." if before else ""),
            )
    key = KeyDocument(
        page=page,
        seed=seed,
        versions={
            "p2phd-eval": p2phd_eval.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "pillow": PIL.__version__,
        },
        baseline=_images(baseline),
        candidate=_images(candidate),
        reference=None if reference is None else _images(reference),
        trials=tuple(
            TrialOfKey(id=trial.id, candidate="first" if trial.candidate_first else "second") for trial in test.trials
        ),
        exposure=exposure,
    )
    write_json(path, key.to_builtins())


def read_key(path: AnyPath) -> KeyDocument:
    """Read a key; raises InputError if it is not a key that this version knows."""
    key = read_document(path, KeyDocument)
    n, images = len(key.trials), {trial.id for trial in key.trials}
    if len(images) < max(2, n):
        raise InputError(str(path), expected="at least 2 trials, each of another image", found=f"{n} trials")
    if key.exposure is not None and key.exposure.identity() != key.page:
        raise InputError(
            str(path),
            expected="the times and rules that were settled with the page",
            found="other ones: their hash is not the page's",
            fix="Take the key as it was written: rules that are changed after people answered count for nothing.",
        )
    return key


def _images(folder: AnyPath) -> ImagesOfKey:
    return ImagesOfKey(images=str(folder), manifest=read_manifest(folder))
