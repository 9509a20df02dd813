"""Snapshots: what each node receives, and what a change means for each node."""
