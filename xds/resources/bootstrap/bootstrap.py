"""Bootstrap: the only configuration file of an Envoy. It gets everything else by ADS, or by polls."""

from datetime import timedelta
from enum import StrEnum

from xds.catalog.model.locality import NOWHERE, Locality
from xds.catalog.text.addresses import Listen
from xds.resources.ads import ADS_CONFIG_SOURCE
from xds.resources.bootstrap.metrics_listener import build_metrics_cluster, build_metrics_listener
from xds.resources.endpoints.load_assignment import local_name
from xds.wire.envoy.config_bootstrap_v3_pb2 import Admin, Bootstrap, ClusterManager
from xds.wire.envoy.config_cluster_v3_pb2 import Cluster
from xds.wire.envoy.config_core_v3_pb2 import (
    Address,
    ApiConfigSource,
    ApiVersion,
    ConfigSource,
    GrpcService,
    Http2ProtocolOptions,
    KeepaliveSettings,
    Node,
    SocketAddress,
)
from xds.wire.envoy.config_core_v3_pb2 import Locality as EnvoyLocality
from xds.wire.envoy.config_endpoint_v3_pb2 import ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints
from xds.wire.envoy.config_overload_v3_pb2 import OverloadManager, ResourceMonitor
from xds.wire.envoy.extensions_resource_monitors_downstream_connections_v3_pb2 import DownstreamConnectionsConfig
from xds.wire.envoy.extensions_upstreams_http_v3_pb2 import HttpProtocolOptions
from xds.wire.messages import pack
from xds.wire.node_metadata import METRICS_PORT

XDS_CLUSTER = "xds_cluster"

MAX_DOWNSTREAM_CONNECTIONS = 50_000


class ApiType(StrEnum):
    """The variant of the xDS protocol that the Envoy uses."""

    SOTW = "sotw"
    DELTA = "delta"
    REST = "rest"


API_TYPES = {
    ApiType.SOTW: ApiConfigSource.ApiType.GRPC,
    ApiType.DELTA: ApiConfigSource.ApiType.DELTA_GRPC,
    ApiType.REST: ApiConfigSource.ApiType.REST,
}

POLL_INTERVAL = timedelta(seconds=1)

LOCAL_CLUSTER = "local_cluster"
"""The cluster of an Envoy's own service, which the `local_cluster_name` of its bootstrap names.

It cannot have the name of the service, since that is the name of the service's cluster for callers.
"""

LOCAL_WAIT = timedelta(seconds=1)
"""How long a starting Envoy waits for the endpoints of its own service. Without them it is not yet zone-aware."""


def build_bootstrap(
    node_id: str,
    node_cluster: str,
    server: Listen,
    admin: Listen,
    api_type: ApiType,
    locality: Locality = NOWHERE,
    *,
    zone_aware: bool = False,
    metrics: Listen | None = None,
) -> Bootstrap:
    """Build the bootstrap of the node `node_id`, a sidecar or gateway of `node_cluster`.

    `server` is the address of the control plane, and `locality` is where the Envoy runs. With `zone_aware` it also
    requests the endpoints of its own service. It serves its metrics to Prometheus at `metrics`, and sends the control
    plane the port.
    """
    node = Node(id=node_id, cluster=node_cluster)
    if locality != NOWHERE:
        node.locality.CopyFrom(EnvoyLocality(region=locality.region, zone=locality.zone, sub_zone=locality.sub_zone))
    clusters = [_build_xds_cluster(server, api_type)]
    if zone_aware:
        clusters.append(_build_local_cluster(node_cluster, api_type))
    listeners = []
    if metrics is not None:
        node.metadata.update({METRICS_PORT: str(metrics.port)})
        clusters.append(build_metrics_cluster(_build_address(admin)))
        listeners.append(build_metrics_listener(_build_address(metrics)))
    return Bootstrap(
        node=node,
        cluster_manager=ClusterManager(local_cluster_name=LOCAL_CLUSTER) if zone_aware else None,
        admin=Admin(address=_build_address(admin)),
        dynamic_resources=_build_dynamic_resources(api_type),
        overload_manager=_build_overload_manager(),
        static_resources=Bootstrap.StaticResources(listeners=listeners, clusters=clusters),
    )


def _build_dynamic_resources(api_type: ApiType) -> Bootstrap.DynamicResources:
    """Build the sources of resources: one ADS stream for all, or polls for REST, which has no aggregated variant."""
    source = ApiConfigSource(api_type=API_TYPES[api_type], transport_api_version=ApiVersion.V3)
    if api_type is ApiType.REST:
        polled = _build_polled()
        return Bootstrap.DynamicResources(cds_config=polled, lds_config=polled)
    source.grpc_services.add(envoy_grpc=GrpcService.EnvoyGrpc(cluster_name=XDS_CLUSTER))
    return Bootstrap.DynamicResources(ads_config=source, cds_config=ADS_CONFIG_SOURCE, lds_config=ADS_CONFIG_SOURCE)


def _build_polled() -> ConfigSource:
    source = ApiConfigSource(
        api_type=ApiConfigSource.ApiType.REST,
        transport_api_version=ApiVersion.V3,
        cluster_names=[XDS_CLUSTER],
        refresh_delay=POLL_INTERVAL,
    )
    return ConfigSource(api_config_source=source, resource_api_version=ApiVersion.V3)


def _build_local_cluster(node_cluster: str, api_type: ApiType) -> Cluster:
    """Build the cluster of an Envoy's own service. Envoy sends it no requests, and only reads its localities."""
    source = ConfigSource(initial_fetch_timeout=LOCAL_WAIT)
    source.MergeFrom(_build_polled() if api_type is ApiType.REST else ADS_CONFIG_SOURCE)
    return Cluster(
        name=LOCAL_CLUSTER,
        type=Cluster.DiscoveryType.EDS,
        eds_cluster_config=Cluster.EdsClusterConfig(eds_config=source, service_name=local_name(node_cluster)),
    )


def _build_overload_manager() -> OverloadManager:
    """Build a limit for the connections of all clients together; Envoy warns at its start if there is none."""
    limit = DownstreamConnectionsConfig(max_active_downstream_connections=MAX_DOWNSTREAM_CONNECTIONS)
    name = "envoy.resource_monitors.global_downstream_max_connections"
    return OverloadManager(resource_monitors=[ResourceMonitor(name=name, typed_config=pack(limit))])


def _build_xds_cluster(server: Listen, api_type: ApiType) -> Cluster:
    http2 = HttpProtocolOptions(
        explicit_http_config=HttpProtocolOptions.ExplicitHttpConfig(
            http2_protocol_options=Http2ProtocolOptions(
                # If the control plane disappears without closing the connection, Envoy notices within 40 s.
                connection_keepalive=KeepaliveSettings(interval=timedelta(seconds=30), timeout=timedelta(seconds=10))
            )
        )
    )
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    options = {} if api_type is ApiType.REST else {name: pack(http2)}  # REST uses HTTP/1.1
    endpoint = LbEndpoint(endpoint=Endpoint(address=_build_address(server)))
    return Cluster(
        name=XDS_CLUSTER,
        type=Cluster.DiscoveryType.STRICT_DNS,
        connect_timeout=timedelta(seconds=1),
        load_assignment=ClusterLoadAssignment(
            cluster_name=XDS_CLUSTER, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]
        ),
        typed_extension_protocol_options=options,
    )


def _build_address(listen: Listen) -> Address:
    return Address(socket_address=SocketAddress(address=listen.address, port_value=listen.port))
