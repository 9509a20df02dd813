"""Bootstrap files for Envoy."""
