"""Snapshots: who is sent what, and what a change means for whom."""
