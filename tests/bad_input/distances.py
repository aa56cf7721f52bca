"""Bad input: distances and feature spaces."""

from __future__ import annotations

from tests.bad_input.case import Case, photos, text


def _siglip() -> None:
    text("siglip/config.json", '{"model_type": "siglip"}')
    text("siglip/model.safetensors")


DISTANCES = (
    Case(
        area="Distances and feature spaces",
        kind="CLIP without weights",
        make=lambda: (photos("real"), photos("fake")),
        typed="metrics real fake --feature-network clip --device cpu --no-cache",
        words="--feature-network clip: expected --feature-weights FOLDER, found none",
    ),
    Case(
        area="Distances and feature spaces",
        kind="Another network for CLIP",
        make=lambda: (photos("real"), photos("fake"), _siglip()),
        typed="metrics real fake --feature-network clip --feature-weights siglip --device cpu --no-cache",
        words="siglip: expected a folder of CLIP in Hugging Face's layout",
    ),
    Case(
        area="Distances and feature spaces",
        kind="CMMD of other features than CLIP's",
        make=lambda: (photos("real"), photos("fp32"), photos("amp")),
        typed="compare real fp32 amp --judge cmmd",
        words="--judge cmmd: expected features of CLIP",
    ),
    Case(
        area="Distances and feature spaces",
        kind="A distance that there is not",
        make=lambda: (photos("fp32"), photos("int8"), photos("again")),
        typed="floor fp32 int8 --benign again --distance-weights vif=vif.pth",
        words="--distance-weights: expected dists=PATH",
    ),
    Case(
        area="Distances and feature spaces",
        kind="Weights of something else",
        make=lambda: (photos("fp32"), photos("int8"), photos("again"), text("vgg16.pth", b"no weights")),
        typed="floor fp32 int8 --benign again --distance-weights dists=vgg16.pth --device cpu",
        words="vgg16.pth: expected a state dict of VGG16",
    ),
    Case(
        area="Distances and feature spaces",
        kind="DreamSim's ensemble",
        make=lambda: (
            photos("fp32"),
            photos("int8"),
            photos("again"),
            text("dreamsim/ensemble_lora/adapter_config.json"),
        ),
        typed="floor fp32 int8 --benign again --distance-weights dreamsim=dreamsim --device cpu",
        words="found ensemble_lora, whose model takes code from the network",
    ),
)
