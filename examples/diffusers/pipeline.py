"""A small diffusers pipeline that draws photos of label maps: the maps' classes are channels beside the noise."""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.modules["torchvision"] = None  # type: ignore[assignment]  # diffusers wants none, and fails on one of another torch

from diffusers import DiffusionPipeline, DPMSolverMultistepScheduler, UNet2DModel  # noqa: E402


class LabelToPhotoPipeline(DiffusionPipeline):
    """A UNet that sees noise and label map, [n, 3 + classes, h, w], and a scheduler."""

    def __init__(self, unet: UNet2DModel, scheduler: DPMSolverMultistepScheduler) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)

    @torch.no_grad()
    def __call__(self, labels: torch.Tensor, generators: list[torch.Generator], steps: int) -> torch.Tensor:
        """Draw a photo of each label map, uint8 [n, h, w, 3].

        `labels`: classes, uint8 [n, h, w]. `generators`: of each photo's noise, so that batches change nothing.
        """
        condition = one_hot(labels, self.unet.config.in_channels - 3).to(self.device, self.unet.dtype)
        noise = [torch.randn(3, *labels.shape[1:], generator=generator) for generator in generators]
        latents = torch.stack(noise).to(self.device, self.unet.dtype)
        self.scheduler.set_timesteps(steps, device=self.device)
        for step in self.progress_bar(self.scheduler.timesteps):
            predicted = self.unet(torch.cat([latents, condition], dim=1), step).sample
            latents = self.scheduler.step(predicted, step, latents).prev_sample
        photos = (latents.float().clamp(-1, 1) + 1) * 127.5
        return photos.round().to(torch.uint8).permute(0, 2, 3, 1).cpu()


def one_hot(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Turn label maps [n, h, w] into float planes [n, classes, h, w]."""
    return torch.nn.functional.one_hot(labels.long(), classes).permute(0, 3, 1, 2).float()


def read_images(folder: Path) -> tuple[list[str], torch.Tensor]:
    """Return the stems of a folder's images, sorted, and their pixels: uint8 [n, h, w], or [n, h, w, 3] of photos."""
    paths = sorted(folder.glob("*.png")) or sorted(folder.glob("*.jpg"))
    if not paths:
        raise SystemExit(f"no PNG or JPEG in {folder}")
    return [path.stem for path in paths], torch.from_numpy(np.stack([np.asarray(Image.open(path)) for path in paths]))
