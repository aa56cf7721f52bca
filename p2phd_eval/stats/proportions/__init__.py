"""Shares of answers: exact binomial tests and what people chose."""
