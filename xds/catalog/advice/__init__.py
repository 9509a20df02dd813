"""Warnings about values that are valid in a catalog but almost certainly a mistake."""
