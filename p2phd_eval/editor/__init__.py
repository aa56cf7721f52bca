"""The page to edit by hand: a local server, the state of a person's edits, and the files that the browser gets."""
