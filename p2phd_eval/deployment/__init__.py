"""Generators for other programs: files that need neither this package nor torch."""
