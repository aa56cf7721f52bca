"""Named sets to results: who pairs with whom, what limits the answer, FID, metrics and comparisons."""
