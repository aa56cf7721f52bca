"""A data set in pix2pixHD's folder layout, from its files to the batches of a training."""
