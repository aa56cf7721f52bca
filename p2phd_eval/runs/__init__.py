"""Trainings as the command line does them: with a device found, held-out photos, and trackers of other tools."""
