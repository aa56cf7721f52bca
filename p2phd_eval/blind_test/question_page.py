"""The pages of a blind test, without and with a time limit: one HTML file without the key."""

import base64
import io

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from p2phd_eval.blind_test.exposure_trials import ExposureTest
from p2phd_eval.blind_test.trials import BlindTest, Pixels
from p2phd_eval.report.documents.blind_test_documents import RESULTS_VERSION, ResultsDocument
from p2phd_eval.report.documents.exposure_documents import ExposureResults
from p2phd_eval.report.documents.exposure_plan import exposure_text


def render_questions(test: BlindTest) -> str:
    """Return the page of a blind test as HTML that needs nothing else.

    The images of a trial are one lossless picture, so that neither format nor size of a file tells them apart. Names,
    ids and the key are not in it. The same trials give the same text.

    The text is to be written as UTF-8.
    """
    return (
        _environment()
        .get_template("blind-test.html.j2")
        .render(
            page=test.page,
            photo=test.with_photo,
            question="Which one is closer to the photo?" if test.with_photo else "Which one looks more like a photo?",
            schema=ResultsDocument.__struct_config__.tag,
            schema_version=RESULTS_VERSION,
            rows=[_encoded(trial.row) for trial in test.trials],
        )
    )


def render_exposures(test: ExposureTest) -> str:
    """Return the page of a blind test under a time limit, likewise.

    Which pairs are attention checks can be seen in its source, as how long they are shown; their answers cannot.
    """
    return (
        _environment()
        .get_template("exposure-test.html.j2")
        .render(
            page=test.page,
            question="Which one looked more like a photo?",
            schema=ExposureResults.__struct_config__.tag,
            schema_version=RESULTS_VERSION,
            plan=msgspec.to_builtins(test.key.plan),
            times=", ".join(map(exposure_text, test.key.plan.exposures)),
            trials=len(test.trials),
            checks=len(test.checks),
            rows=[_encoded(row) for row in (*(trial.row for trial in test.trials), *test.checks, *test.practice)],
        )
    )


def _environment() -> Environment:
    # Escaping is on for every template. The page takes no text of the user, only images and numbers.
    return Environment(
        loader=PackageLoader("p2phd_eval.blind_test"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


def _encoded(row: Pixels) -> str:
    stream = io.BytesIO()
    # From the pixels alone: no metadata of the files comes along.
    Image.fromarray(row).save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode()
