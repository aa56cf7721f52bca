"""Draws photos of the label maps in ``test_label`` with a trained pipeline, in the precisions that people ship."""

import argparse
from pathlib import Path

import torch
from PIL import Image
from pipeline import LabelToPhotoPipeline, read_images


def main() -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder that train.py wrote")
    parser.add_argument("--data", type=Path, required=True, help="data set in pix2pixHD's layout")
    parser.add_argument("--out", type=Path, required=True, help="folder for the images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=1, help="of each label map; several are named MAP@NUMBER.png")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--precision", choices=("fp32", "bf16", "fp16"), default="fp32")
    parser.add_argument("--quantize", choices=("int8",), help="weights of convolutions and linear layers")
    parser.add_argument("--compile", action="store_true", help="the UNet, by torch.compile")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[options.precision]
    pipeline = LabelToPhotoPipeline.from_pretrained(options.model).to(options.device, dtype)
    pipeline.set_progress_bar_config(disable=True)
    if options.quantize == "int8":
        from optimum.quanto import freeze, qint8, quantize

        quantize(pipeline.unet, weights=qint8)
        freeze(pipeline.unet)
    if options.compile:
        pipeline.unet.compile()

    stems, labels = read_images(options.data / "test_label")
    wanted = [(place, sample) for place in range(len(stems)) for sample in range(options.samples)]
    options.out.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(wanted), options.batch_size):
        batch = wanted[start : start + options.batch_size]
        # A sample's noise depends on the seed, its map and its number alone, so that arms and batch sizes are paired.
        generators = [
            torch.Generator().manual_seed(options.seed * 1_000_000 + place * options.samples + sample)
            for place, sample in batch
        ]
        photos = pipeline(labels[[place for place, _ in batch]], generators, options.steps)
        for (place, sample), photo in zip(batch, photos, strict=True):
            name = stems[place] if options.samples == 1 else f"{stems[place]}@{sample}"
            Image.fromarray(photo.numpy()).save(options.out / f"{name}.png")


if __name__ == "__main__":
    main()
