"""The whole of xds with a real Envoy: each test counts real responses."""
