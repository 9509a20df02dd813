"""Resources for gRPC's own xDS client, which takes a subset of what Envoy does."""
