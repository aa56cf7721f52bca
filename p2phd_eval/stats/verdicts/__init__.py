"""What a difference with its error says: equivalence tests, margins, power, and where a difference comes from."""
