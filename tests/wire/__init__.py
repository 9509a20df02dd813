"""The messages of `protos/`, compared with envoy-data-plane's."""
