"""Benchmarks. They measure CPU time, bytes and ratios. No test has a limit for them."""
