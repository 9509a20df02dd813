"""Envoy's own fields, given as `envoy:`: read, checked against Envoy's types, and encoded."""
