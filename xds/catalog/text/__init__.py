"""Values as people write them in YAML: pure functions that turn text into values, or refuse it."""
