"""Faces: 68 points to edge maps and part labels, and data sets of them."""
