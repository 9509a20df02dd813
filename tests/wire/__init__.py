"""The messages of `protos/`, held against envoy-data-plane's."""
