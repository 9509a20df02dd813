"""Tests of `xds demo` and of the process tools that other tests borrow from it."""
