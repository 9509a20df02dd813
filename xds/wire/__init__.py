"""The xDS protocol's messages (compiled from `protos/`), its type URLs and the names of its services.

What the messages mean for a client is in `session`. How the resources in them are built is in `resources`.
"""

from google.protobuf.any_pb2 import Any

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
CLUSTER_LOAD_ASSIGNMENT = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
ROUTE_CONFIGURATION = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105

TYPE_URLS = (SECRET, CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION)
"""The types that xds serves, in the order in which an update is sent (make before break)."""

SERVICES = {
    "envoy.service.cluster.v3.ClusterDiscoveryService": ("Clusters", CLUSTER),
    "envoy.service.endpoint.v3.EndpointDiscoveryService": ("Endpoints", CLUSTER_LOAD_ASSIGNMENT),
    "envoy.service.listener.v3.ListenerDiscoveryService": ("Listeners", LISTENER),
    "envoy.service.route.v3.RouteDiscoveryService": ("Routes", ROUTE_CONFIGURATION),
    "envoy.service.secret.v3.SecretDiscoveryService": ("Secrets", SECRET),
}
"""The services that serve one type each, with the end of their methods' names and the type.

The methods are `StreamClusters`, `DeltaClusters` and `FetchClusters`, and so on.
"""

ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"
"""The Aggregated Discovery Service (ADS), which serves all types on one stream."""


def encode_any(type_url: str, value: bytes) -> bytes:
    """Return an encoded google.protobuf.Any that contains the encoded message `value`."""
    return Any(type_url=type_url, value=value).SerializeToString()


def short_type(type_url: str) -> str:
    """Return the last part of a type URL: `Cluster` for `type.googleapis.com/envoy.config.cluster.v3.Cluster`."""
    return type_url.rpartition(".")[2]
