"""gRPC's own xDS client against a real `xds serve`, with no Envoy: a service is `xds:///api-service`."""
