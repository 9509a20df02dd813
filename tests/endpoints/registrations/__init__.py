"""Tests of what is registered."""
