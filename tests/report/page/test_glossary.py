"""Which terms a piece of a page has to explain."""

import pytest

from p2phd_eval.report.page.glossary import terms_in


@pytest.mark.parametrize(
    ("markup", "terms"),
    [
        ("<p>nothing of the kind, in &lt;b&gt; or ssim</p>", []),
        ("<td>SSIM</td><td>LPIPS</td>", ["LPIPS", "SSIM"]),
        ("<td>DreamSim</td><td>DISTS</td>", ["DISTS", "DreamSim"]),
        ("FID@500 of 3", ["FID", "FID@n"]),  # whose sentence uses the first
        ('<i title="KID">the FID</i>', ["FID"]),
        ("dFID@n", ["FID", "FID@n", "dFID@n"]),
        ("dKID (rational quadratic)", ["FID", "KID"]),
        ("amp-fp16", ["amp"]),
    ],
)
def test_a_text_has_its_terms_and_theirs(markup: str, terms: list[str]) -> None:
    assert terms_in(markup) == terms
