"""Benchmarks: CPU time, bytes and ratios, never a limit in a test."""
