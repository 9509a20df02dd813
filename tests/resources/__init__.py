"""Translation: from a catalog to Envoy resources."""
