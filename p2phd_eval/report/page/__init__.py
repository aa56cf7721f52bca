"""The page of a study's report, its plots, and its Markdown."""
