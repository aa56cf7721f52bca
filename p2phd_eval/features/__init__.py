"""From images to features: networks, their weights, the cache, and what is computed from them in one call."""
