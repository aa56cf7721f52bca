"""Train pix2pixHD in fp32 and under AMP, and say with error bars whether the precision shows in the FID."""

__version__ = "0.1.0"
