"""A report or comparison as a check of CI."""
