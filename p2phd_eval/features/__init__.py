"""From images to features: a network, the weights it takes, the cache of what it gave, and sets of features."""
