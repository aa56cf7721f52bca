"""The terms and abbreviations of a study's page, each in a sentence."""

import html
import re

GLOSSARY = {
    "FID": "Fréchet Inception distance: how far the features of generated images lie from those of photos, as two "
    "Gaussian clouds; 0 is best",
    "FID@n": "the FID of n images, the number that papers print; fewer images, or more diverse ones, make it larger",
    "dFID@n": "FID@n of a candidate minus that of the baseline; positive: the candidate is worse",
    "KID": "kernel Inception distance: another distance of the same features, without the FID's dependence on n",
    "SE": "standard error: how far an estimate typically lies from the truth",
    "scope A": "the verdict is on these trained files: other images could have been drawn, nothing else",
    "scope B": "the verdict is on the way to train: other images and other training seeds could have been drawn",
    "margin": "the difference that still counts as none, chosen before looking",
    "companion": "a second measure that does not depend on n; it can take a favourable verdict back, never make one",
    "p": "how often chance alone would give as much, were there nothing to find",
    "Holm": "p-values or intervals adjusted for having asked several questions at once",
    "noise floor": "how far harmless changes, such as another batch size, move the images of the baseline",
    "IoU": "intersection over union: of the pixels that are of a class or are taken for it, the share that is both",
    "influence": "how much dFID@n changes from this label map's images; positive: they speak against the candidate",
    "bootstrap": "the standard error found again by drawing the images anew, a check of the formula",
    "LPIPS": "learned perceptual distance of two images, 0 for equal ones; lower is closer",
    "DISTS": "distance of two images in structure and texture, 0 for equal ones; lower is closer",
    "DreamSim": "distance of two images as people call them alike, 0 for equal ones; lower is closer",
    "PSNR": "peak signal-to-noise ratio of two images in decibels; higher is closer",
    "SSIM": "structural similarity of two images, 1 for equal ones; higher is closer",
    "fp32": "single precision, 32 bits a number: the reference",
    "amp": "automatic mixed precision: most of the arithmetic in 16 bits (fp16 or bf16)",
    "G": "the generator, which makes the images",
    "D": "the discriminator, which tells them from photos",
    "SHA-256": "a fingerprint of a file: equal ones mean equal files",
}


def terms_in(markup: str) -> list[str]:
    """Return the terms that a piece of HTML and their own sentences use, in the order of the glossary.

    FID@500 is one of FID@n, and dKID, a difference, one of KID.
    """
    text = html.unescape(re.sub(r"<[^>]*>", " ", markup))
    found: set[str] = set()
    while new := {term for term in GLOSSARY if term not in found and _uses(text, term)}:
        found |= new
        text = " ".join(GLOSSARY[term] for term in new)
    return [term for term in GLOSSARY if term in found]


def _uses(text: str, term: str) -> bool:
    pattern = re.escape(term).replace("@n", "@(?:n|[0-9]+)")
    return re.search(rf"(?<![\w@])d?{pattern}(?![\w@])", text) is not None
