"""Which fields of Envoy's messages name a cluster that an Envoy sends requests to.

An Envoy refuses a filter whose cluster it does not have, or the filter fails each request. So whoever gets such a field
also gets the cluster.
"""

from typing import NamedTuple

from xds.catalog.raw.types import Field
from xds.catalog.text.mistake import Loc

NAMES = frozenset(
    {
        "cluster",
        "cluster_name",
        "clusters",
        "collector_cluster",
        "default_cluster",
        "override_upstream_cluster",
    }
)
"""The fields with the name of a cluster, or a list of them."""

WEIGHTED = "ClusterWeight"
"""The end of the name of the messages whose `name` is that of a cluster."""

OTHER = frozenset(
    {
        "envoy.config.core.v3.Node",
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
        "envoy.config.endpoint.v3.ClusterStats",
        "envoy.extensions.clusters.dynamic_modules.v3.ClusterConfig",
    }
)
"""The messages in which a field with one of the names means something else."""

BOOTSTRAP = "envoy.config.core.v3.ApiConfigSource"
"""The message inside which Envoy accepts only clusters of its bootstrap, which the catalog does not know."""

GRPC = "envoy.config.core.v3.GrpcService.EnvoyGrpc"


class NamedCluster(NamedTuple):
    """The name of a cluster at `loc` in raw fields; `grpc` if calls of gRPC go there."""

    loc: Loc
    name: str
    grpc: bool = False


def is_cluster_name(message: str, field: Field) -> bool:
    """Whether a field of the message with that full name has the name of a cluster, or a list of names."""
    if field.kind != "string" or field.key_kind:
        return False
    if field.name in NAMES:
        return message not in OTHER and message.startswith(("envoy.config.", "envoy.extensions.", "envoy.data.dns."))
    return field.name == "name" and message.rpartition(".")[2] == WEIGHTED
