"""Editing of label maps, objects and styles, and what the networks make of it."""
