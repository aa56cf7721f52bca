"""Checkpoints and options of NVIDIA/pix2pixHD."""
