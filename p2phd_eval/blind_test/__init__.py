"""A page that asks people which image is better, and the reading of their answers."""
