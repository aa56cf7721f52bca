"""The statistics: arrays in, dataclasses out; no file, no name of an image, no torch."""
