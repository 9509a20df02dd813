"""The pipelines for an operator's repository (compose/ci), and what they do to a real mesh."""
