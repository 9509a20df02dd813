"""Envoy's resources, made from the catalog by pure functions: one module a resource type."""
