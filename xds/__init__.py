"""xds: a control plane for Envoy, for a service mesh."""

__version__ = "0.1.0"
