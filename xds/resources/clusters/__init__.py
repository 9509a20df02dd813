"""Cluster resources."""
