"""Standard errors and intervals of these distances."""
