"""Time and memory of a training step in every precision, with real data loading."""
