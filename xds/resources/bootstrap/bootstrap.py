"""Bootstrap: the one file that an Envoy needs of its own; all the rest reaches it over ADS."""

from dataclasses import replace
from datetime import timedelta
from enum import StrEnum

from envoy_data_plane.envoy.config.bootstrap.v3 import (
    Admin,
    Bootstrap,
    BootstrapDynamicResources,
    BootstrapStaticResources,
    ClusterManager,
)
from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType, ClusterEdsClusterConfig
from envoy_data_plane.envoy.config.core.v3 import (
    Address,
    ApiConfigSource,
    ApiConfigSourceApiType,
    ApiVersion,
    ConfigSource,
    GrpcService,
    GrpcServiceEnvoyGrpc,
    Http2ProtocolOptions,
    KeepaliveSettings,
    Node,
    SocketAddress,
)
from envoy_data_plane.envoy.config.core.v3 import Locality as EnvoyLocality
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints
from envoy_data_plane.envoy.config.overload.v3 import OverloadManager, ResourceMonitor
from envoy_data_plane.envoy.extensions.resource_monitors.downstream_connections.v3 import DownstreamConnectionsConfig
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
)
from envoy_data_plane.google.protobuf import Any, Struct

from xds.catalog.model.locality import NOWHERE, Locality
from xds.catalog.text.addresses import Listen
from xds.resources.ads import ADS_CONFIG_SOURCE
from xds.resources.bootstrap.metrics_listener import build_metrics_cluster, build_metrics_listener
from xds.resources.endpoints.load_assignment import local_name
from xds.wire.node_metadata import METRICS_PORT

XDS_CLUSTER = "xds_cluster"

MAX_DOWNSTREAM_CONNECTIONS = 50_000


class ApiType(StrEnum):
    """The variant of the protocol that the Envoy is to speak."""

    SOTW = "sotw"
    DELTA = "delta"
    REST = "rest"


API_TYPES = {
    ApiType.SOTW: ApiConfigSourceApiType.GRPC,
    ApiType.DELTA: ApiConfigSourceApiType.DELTA_GRPC,
    ApiType.REST: ApiConfigSourceApiType.REST,
}

POLL_INTERVAL = timedelta(seconds=1)

LOCAL_CLUSTER = "local_cluster"
"""The cluster of an Envoy's own kind; not by its service's name, which a cluster of the catalog has."""

LOCAL_WAIT = timedelta(seconds=1)
"""How long an Envoy waits at its start to be told of its own kind: without, it is not zone-aware yet, and no worse."""


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
    """Build the bootstrap of the node `node_id`, a sidecar or gateway of `node_cluster`, that is served by `server`.

    `locality` is where it runs; with `zone_aware` it asks where all of its kind are, too.
    At `metrics` Prometheus finds its metrics; it tells the control plane the port.
    """
    node = Node(id=node_id, cluster=node_cluster)
    if locality != NOWHERE:
        node.locality = EnvoyLocality(region=locality.region, zone=locality.zone, sub_zone=locality.sub_zone)
    clusters = [_build_xds_cluster(server, api_type)]
    if zone_aware:
        clusters.append(_build_local_cluster(node_cluster, api_type))
    listeners = []
    if metrics is not None:
        node.metadata = Struct.from_dict({METRICS_PORT: str(metrics.port)})
        clusters.append(build_metrics_cluster(_build_address(admin)))
        listeners.append(build_metrics_listener(_build_address(metrics)))
    return Bootstrap(
        node=node,
        cluster_manager=ClusterManager(local_cluster_name=LOCAL_CLUSTER) if zone_aware else None,
        admin=Admin(address=_build_address(admin)),
        dynamic_resources=_build_dynamic_resources(api_type),
        overload_manager=_build_overload_manager(),
        static_resources=BootstrapStaticResources(listeners=listeners, clusters=clusters),
    )


def _build_dynamic_resources(api_type: ApiType) -> BootstrapDynamicResources:
    """Have everything come over one ADS stream, or by polls: REST has no aggregated form."""
    source = ApiConfigSource(api_type=API_TYPES[api_type], transport_api_version=ApiVersion.V3)
    if api_type is ApiType.REST:
        polled = _build_polled()
        return BootstrapDynamicResources(cds_config=polled, lds_config=polled)
    source.grpc_services = [GrpcService(envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name=XDS_CLUSTER))]
    return BootstrapDynamicResources(ads_config=source, cds_config=ADS_CONFIG_SOURCE, lds_config=ADS_CONFIG_SOURCE)


def _build_polled() -> ConfigSource:
    source = ApiConfigSource(
        api_type=ApiConfigSourceApiType.REST,
        transport_api_version=ApiVersion.V3,
        cluster_names=[XDS_CLUSTER],
        refresh_delay=POLL_INTERVAL,
    )
    return ConfigSource(api_config_source=source, resource_api_version=ApiVersion.V3)


def _build_local_cluster(node_cluster: str, api_type: ApiType) -> Cluster:
    """Build the cluster of an Envoy's own kind: nothing is sent to it, only its endpoints' localities count."""
    source = _build_polled() if api_type is ApiType.REST else replace(ADS_CONFIG_SOURCE)
    source.initial_fetch_timeout = LOCAL_WAIT
    return Cluster(
        name=LOCAL_CLUSTER,
        type=ClusterDiscoveryType.EDS,
        eds_cluster_config=ClusterEdsClusterConfig(eds_config=source, service_name=local_name(node_cluster)),
    )


def _build_overload_manager() -> OverloadManager:
    """Bound the connections that applications and strangers may hold open; Envoy warns when nobody does."""
    limit = DownstreamConnectionsConfig(max_active_downstream_connections=MAX_DOWNSTREAM_CONNECTIONS)
    name = "envoy.resource_monitors.global_downstream_max_connections"
    return OverloadManager(resource_monitors=[ResourceMonitor(name=name, typed_config=Any.pack(limit))])


def _build_xds_cluster(server: Listen, api_type: ApiType) -> Cluster:
    http2 = HttpProtocolOptions(
        explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(
            http2_protocol_options=Http2ProtocolOptions(
                # A control plane that went away without a word is found within 40 s.
                connection_keepalive=KeepaliveSettings(interval=timedelta(seconds=30), timeout=timedelta(seconds=10))
            )
        )
    )
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    options = {} if api_type is ApiType.REST else {name: Any.pack(http2)}  # REST is HTTP/1.1
    endpoint = LbEndpoint(endpoint=Endpoint(address=_build_address(server)))
    return Cluster(
        name=XDS_CLUSTER,
        type=ClusterDiscoveryType.STRICT_DNS,
        connect_timeout=timedelta(seconds=1),
        load_assignment=ClusterLoadAssignment(
            cluster_name=XDS_CLUSTER, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]
        ),
        typed_extension_protocol_options=options,
    )


def _build_address(listen: Listen) -> Address:
    return Address(socket_address=SocketAddress(address=listen.address, port_value=listen.port))
