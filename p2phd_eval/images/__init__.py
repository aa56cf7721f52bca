"""Image files: their names, decoding and writing, and every place that a set of them can come from."""
