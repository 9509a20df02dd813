"""Bootstrap: the one file that an Envoy needs of its own; all the rest reaches it over ADS."""

from datetime import timedelta
from enum import StrEnum

from envoy_data_plane.envoy.config.bootstrap.v3 import (
    Admin,
    Bootstrap,
    BootstrapDynamicResources,
    BootstrapStaticResources,
)
from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType
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
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints
from envoy_data_plane.envoy.config.overload.v3 import OverloadManager, ResourceMonitor
from envoy_data_plane.envoy.extensions.resource_monitors.downstream_connections.v3 import DownstreamConnectionsConfig
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
)
from envoy_data_plane.google.protobuf import Any

from xds.catalog.model import Listen
from xds.resources.ads import ADS_CONFIG_SOURCE

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


def build_bootstrap(node_id: str, node_cluster: str, server: Listen, admin: Listen, api_type: ApiType) -> Bootstrap:
    """Build the bootstrap of the node `node_id`, a sidecar or gateway of `node_cluster`, that is served by `server`."""
    return Bootstrap(
        node=Node(id=node_id, cluster=node_cluster),
        admin=Admin(address=_build_address(admin)),
        dynamic_resources=_build_dynamic_resources(api_type),
        overload_manager=_build_overload_manager(),
        static_resources=BootstrapStaticResources(clusters=[_build_xds_cluster(server, api_type)]),
    )


def _build_dynamic_resources(api_type: ApiType) -> BootstrapDynamicResources:
    """Have everything come over one ADS stream, or by polls: REST has no aggregated form."""
    source = ApiConfigSource(api_type=API_TYPES[api_type], transport_api_version=ApiVersion.V3)
    if api_type is ApiType.REST:
        source.cluster_names = [XDS_CLUSTER]
        source.refresh_delay = POLL_INTERVAL
        polled = ConfigSource(api_config_source=source, resource_api_version=ApiVersion.V3)
        return BootstrapDynamicResources(cds_config=polled, lds_config=polled)
    source.grpc_services = [GrpcService(envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name=XDS_CLUSTER))]
    return BootstrapDynamicResources(ads_config=source, cds_config=ADS_CONFIG_SOURCE, lds_config=ADS_CONFIG_SOURCE)


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
