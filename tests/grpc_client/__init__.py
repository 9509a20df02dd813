"""Tests of gRPC's own xDS client with a real `xds serve` and no Envoy. A service is `xds:///api-service`."""
