"""Pure functions that build Envoy's resources from the catalog: one package for each resource type."""
