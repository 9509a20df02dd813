"""Sessions as pure state machines: each test is a short script whose docstring is the rule."""
