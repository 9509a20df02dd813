"""xds: a service mesh's control plane for Envoy."""

__version__ = "0.1.0"
