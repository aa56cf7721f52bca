"""The ruler: Inception features, the Frechet distance, its error bars and the verdict."""
