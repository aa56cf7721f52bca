"""A blind test: people choose between two images of each label map, not knowing which is whose."""
