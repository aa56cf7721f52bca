"""From a checkpoint and label maps to images, with styles for a model with features."""
