"""Warnings: what is legal in a catalog but surely a mistake."""
