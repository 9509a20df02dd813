"""Tests of `xds demo`, and of its process tools, which other tests use."""
