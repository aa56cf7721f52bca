"""The ruler: the Frechet distance, its error bars and the verdict, from features; NumPy in, dataclasses out."""
