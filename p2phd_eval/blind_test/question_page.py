"""The page of a blind test: one HTML file without the key."""

import base64
import io

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from p2phd_eval.blind_test.trials import BlindTest, Pixels
from p2phd_eval.report.documents.blind_test_documents import RESULTS_VERSION, ResultsDocument


def render_questions(test: BlindTest) -> str:
    """Return the page of a blind test as HTML that needs nothing else.

    The images of a trial are one lossless picture, so that neither format nor size of a file tells them apart. Names,
    ids and the key are not in it. The same trials give the same text.

    The text is to be written as UTF-8.
    """
    # Escaping is on for every template. The page takes no text of the user, only images and numbers.
    environment = Environment(
        loader=PackageLoader("p2phd_eval.blind_test"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("blind-test.html.j2").render(
        page=test.page,
        photo=test.with_photo,
        question="Which one is closer to the photo?" if test.with_photo else "Which one looks more like a photo?",
        schema=ResultsDocument.__struct_config__.tag,
        schema_version=RESULTS_VERSION,
        rows=[_encoded(trial.row) for trial in test.trials],
    )


def _encoded(row: Pixels) -> str:
    stream = io.BytesIO()
    # From the pixels alone: no metadata of the files comes along.
    Image.fromarray(row).save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode()
