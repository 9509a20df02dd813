"""Resources for gRPC's own xDS client, which supports a subset of Envoy's fields."""
