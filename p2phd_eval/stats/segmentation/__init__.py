"""How well class maps agree: scores of confusion matrices, their errors, and verdicts on differences of arms."""
