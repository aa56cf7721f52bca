"""What a verdict on edits is about."""

from enum import Enum


class EditJudge(str, Enum):
    """A distance of two samples, always taken inside of what was edited."""

    MSE = "mse"
    SSIM = "ssim"
    LPIPS = "lpips"
