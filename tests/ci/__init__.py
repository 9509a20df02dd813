"""Tests of the pipelines for an operator's repository (compose/ci), and of their effect on a real mesh."""
