"""The weights of FID's Inception: where they are, fetching and checking them."""
