"""Values as people write them in YAML: pure functions from text to values, and what is refused."""
