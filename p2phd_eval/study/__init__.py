"""Studies: arms x seeds from a data set to a report, resumable at every artefact."""
