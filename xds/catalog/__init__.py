"""The service catalog: the validated, immutable model, its parsing with positions, and the checks across files."""
