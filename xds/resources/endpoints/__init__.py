"""Endpoint resources: ClusterLoadAssignment, and the shares that follow from it."""
