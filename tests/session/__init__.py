"""Sessions as pure state machines. Each test is a short script, and its docstring states the rule."""
