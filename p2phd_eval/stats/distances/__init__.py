"""Distances between sets of features: FID, KID, neighbours, and the moments they take."""
