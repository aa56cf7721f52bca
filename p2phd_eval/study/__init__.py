"""A study, arms times seeds, from its plan to its report; resumable at every artefact."""
