"""Snapshots: the resources that each view of the catalog contains now, and what changed since the snapshot before.

How a resource is built is in `resources`. Which stream is sent what is in `session`.
"""
