"""The xDS protocol's messages (compiled from `protos/`), and the names that stand in them.

Only the words of the wire belong here; what they mean to a client is `session`, what they carry is `resources`.
"""

from google.protobuf.any_pb2 import Any

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
CLUSTER_LOAD_ASSIGNMENT = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
ROUTE_CONFIGURATION = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105

TYPE_URLS = (SECRET, CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION)
"""The types that xds serves, in the order in which an update goes out (make before break)."""

SERVICES = {
    "envoy.service.cluster.v3.ClusterDiscoveryService": ("Clusters", CLUSTER),
    "envoy.service.endpoint.v3.EndpointDiscoveryService": ("Endpoints", CLUSTER_LOAD_ASSIGNMENT),
    "envoy.service.listener.v3.ListenerDiscoveryService": ("Listeners", LISTENER),
    "envoy.service.route.v3.RouteDiscoveryService": ("Routes", ROUTE_CONFIGURATION),
    "envoy.service.secret.v3.SecretDiscoveryService": ("Secrets", SECRET),
}
"""The services of one type each: their methods are `Stream`, `Delta` and `Fetch` before that word, on that type."""

ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"


def encode_any(type_url: str, value: bytes) -> bytes:
    """Encode a google.protobuf.Any that holds the encoded message `value`."""
    return Any(type_url=type_url, value=value).SerializeToString()


def short_type(type_url: str) -> str:
    """`Cluster`, for people, from `type.googleapis.com/envoy.config.cluster.v3.Cluster`."""
    return type_url.rpartition(".")[2]
