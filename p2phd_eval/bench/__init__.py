"""Seconds and memory of a training step in each precision."""
