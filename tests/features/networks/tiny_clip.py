"""A tiny CLIP with random weights in Hugging Face's layout, in place of OpenAI's, which tests do not download."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import torch

from p2phd_eval.torchvision_ops import declare_missing_operators

_TEXT = {"vocab_size": 9, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
_SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "projection_dim": 16}


def write_tiny_clip(folder: Path, *, seed: int = 0) -> Path:
    """Write both towers as the library saves them: of images 2 layers, 32 wide, 56 pixels, 16 numbers an image."""
    declare_missing_operators()
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(seed)
    vision = {**_SIZES, "num_hidden_layers": 2, "patch_size": 14, "image_size": 56}
    config = CLIPConfig(
        vision_config=vision, text_config={**_SIZES, **_TEXT, "num_hidden_layers": 1}, projection_dim=16
    )
    model = CLIPModel(config)
    with torch.no_grad():
        for parameter in model.vision_model.parameters():  # as spread as trained ones, so that images show
            parameter.add_(0.2 * torch.randn(parameter.shape))
    with contextlib.redirect_stderr(io.StringIO()):  # the library's bar
        model.save_pretrained(folder)
    return folder
