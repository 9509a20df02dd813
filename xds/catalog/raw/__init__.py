"""Raw fields: Envoy's own fields below `envoy:` in the catalog, checked against Envoy's types and encoded."""
