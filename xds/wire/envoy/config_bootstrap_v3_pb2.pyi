import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import wrappers_pb2 as _wrappers_pb2
from xds.wire.envoy import config_accesslog_v3_pb2 as _config_accesslog_v3_pb2
from xds.wire.envoy import config_cluster_v3_pb2 as _config_cluster_v3_pb2
from xds.wire.envoy import config_core_v3_pb2 as _config_core_v3_pb2
from xds.wire.envoy import config_listener_v3_pb2 as _config_listener_v3_pb2
from xds.wire.envoy import config_overload_v3_pb2 as _config_overload_v3_pb2
from xds.wire.envoy import extensions_transport_sockets_tls_v3_pb2 as _extensions_transport_sockets_tls_v3_pb2
from xds.wire.envoy import type_matcher_v3_pb2 as _type_matcher_v3_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Admin(_message.Message):
    __slots__ = ("access_log", "profile_path", "address", "ignore_global_conn_limit", "allow_paths")
    ACCESS_LOG_FIELD_NUMBER: _ClassVar[int]
    PROFILE_PATH_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    IGNORE_GLOBAL_CONN_LIMIT_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PATHS_FIELD_NUMBER: _ClassVar[int]
    access_log: _containers.RepeatedCompositeFieldContainer[_config_accesslog_v3_pb2.AccessLog]
    profile_path: str
    address: _config_core_v3_pb2.Address
    ignore_global_conn_limit: bool
    allow_paths: _containers.RepeatedCompositeFieldContainer[_type_matcher_v3_pb2.StringMatcher]
    def __init__(self, access_log: _Optional[_Iterable[_Union[_config_accesslog_v3_pb2.AccessLog, _Mapping]]] = ..., profile_path: _Optional[str] = ..., address: _Optional[_Union[_config_core_v3_pb2.Address, _Mapping]] = ..., ignore_global_conn_limit: _Optional[bool] = ..., allow_paths: _Optional[_Iterable[_Union[_type_matcher_v3_pb2.StringMatcher, _Mapping]]] = ...) -> None: ...

class Bootstrap(_message.Message):
    __slots__ = ("node", "node_context_params", "static_resources", "dynamic_resources", "cluster_manager", "hds_config", "flags_path", "stats_flush_interval", "admin", "overload_manager", "enable_dispatcher_stats", "header_prefix", "stats_server_version_override", "typed_dns_resolver_config", "bootstrap_extensions", "config_sources", "default_config_source", "default_socket_interface", "certificate_provider_instances", "perf_tracing_file_path", "default_regex_engine", "xds_delegate_extension", "xds_config_tracker_extension", "listener_manager", "enable_worker_cpu_affinity", "stats_flush_on_admin", "stats_eviction_interval")
    class CertificateProviderInstancesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _config_core_v3_pb2.TypedExtensionConfig
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]] = ...) -> None: ...
    class DynamicResources(_message.Message):
        __slots__ = ("lds_config", "lds_resources_locator", "cds_config", "cds_resources_locator", "ads_config")
        LDS_CONFIG_FIELD_NUMBER: _ClassVar[int]
        LDS_RESOURCES_LOCATOR_FIELD_NUMBER: _ClassVar[int]
        CDS_CONFIG_FIELD_NUMBER: _ClassVar[int]
        CDS_RESOURCES_LOCATOR_FIELD_NUMBER: _ClassVar[int]
        ADS_CONFIG_FIELD_NUMBER: _ClassVar[int]
        lds_config: _config_core_v3_pb2.ConfigSource
        lds_resources_locator: str
        cds_config: _config_core_v3_pb2.ConfigSource
        cds_resources_locator: str
        ads_config: _config_core_v3_pb2.ApiConfigSource
        def __init__(self, lds_config: _Optional[_Union[_config_core_v3_pb2.ConfigSource, _Mapping]] = ..., lds_resources_locator: _Optional[str] = ..., cds_config: _Optional[_Union[_config_core_v3_pb2.ConfigSource, _Mapping]] = ..., cds_resources_locator: _Optional[str] = ..., ads_config: _Optional[_Union[_config_core_v3_pb2.ApiConfigSource, _Mapping]] = ...) -> None: ...
    class StaticResources(_message.Message):
        __slots__ = ("listeners", "clusters", "secrets")
        LISTENERS_FIELD_NUMBER: _ClassVar[int]
        CLUSTERS_FIELD_NUMBER: _ClassVar[int]
        SECRETS_FIELD_NUMBER: _ClassVar[int]
        listeners: _containers.RepeatedCompositeFieldContainer[_config_listener_v3_pb2.Listener]
        clusters: _containers.RepeatedCompositeFieldContainer[_config_cluster_v3_pb2.Cluster]
        secrets: _containers.RepeatedCompositeFieldContainer[_extensions_transport_sockets_tls_v3_pb2.Secret]
        def __init__(self, listeners: _Optional[_Iterable[_Union[_config_listener_v3_pb2.Listener, _Mapping]]] = ..., clusters: _Optional[_Iterable[_Union[_config_cluster_v3_pb2.Cluster, _Mapping]]] = ..., secrets: _Optional[_Iterable[_Union[_extensions_transport_sockets_tls_v3_pb2.Secret, _Mapping]]] = ...) -> None: ...
    NODE_FIELD_NUMBER: _ClassVar[int]
    NODE_CONTEXT_PARAMS_FIELD_NUMBER: _ClassVar[int]
    STATIC_RESOURCES_FIELD_NUMBER: _ClassVar[int]
    DYNAMIC_RESOURCES_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_MANAGER_FIELD_NUMBER: _ClassVar[int]
    HDS_CONFIG_FIELD_NUMBER: _ClassVar[int]
    FLAGS_PATH_FIELD_NUMBER: _ClassVar[int]
    STATS_FLUSH_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    ADMIN_FIELD_NUMBER: _ClassVar[int]
    OVERLOAD_MANAGER_FIELD_NUMBER: _ClassVar[int]
    ENABLE_DISPATCHER_STATS_FIELD_NUMBER: _ClassVar[int]
    HEADER_PREFIX_FIELD_NUMBER: _ClassVar[int]
    STATS_SERVER_VERSION_OVERRIDE_FIELD_NUMBER: _ClassVar[int]
    TYPED_DNS_RESOLVER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    BOOTSTRAP_EXTENSIONS_FIELD_NUMBER: _ClassVar[int]
    CONFIG_SOURCES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_CONFIG_SOURCE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_SOCKET_INTERFACE_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_PROVIDER_INSTANCES_FIELD_NUMBER: _ClassVar[int]
    PERF_TRACING_FILE_PATH_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_REGEX_ENGINE_FIELD_NUMBER: _ClassVar[int]
    XDS_DELEGATE_EXTENSION_FIELD_NUMBER: _ClassVar[int]
    XDS_CONFIG_TRACKER_EXTENSION_FIELD_NUMBER: _ClassVar[int]
    LISTENER_MANAGER_FIELD_NUMBER: _ClassVar[int]
    ENABLE_WORKER_CPU_AFFINITY_FIELD_NUMBER: _ClassVar[int]
    STATS_FLUSH_ON_ADMIN_FIELD_NUMBER: _ClassVar[int]
    STATS_EVICTION_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    node: _config_core_v3_pb2.Node
    node_context_params: _containers.RepeatedScalarFieldContainer[str]
    static_resources: Bootstrap.StaticResources
    dynamic_resources: Bootstrap.DynamicResources
    cluster_manager: ClusterManager
    hds_config: _config_core_v3_pb2.ApiConfigSource
    flags_path: str
    stats_flush_interval: _duration_pb2.Duration
    admin: Admin
    overload_manager: _config_overload_v3_pb2.OverloadManager
    enable_dispatcher_stats: bool
    header_prefix: str
    stats_server_version_override: _wrappers_pb2.UInt64Value
    typed_dns_resolver_config: _config_core_v3_pb2.TypedExtensionConfig
    bootstrap_extensions: _containers.RepeatedCompositeFieldContainer[_config_core_v3_pb2.TypedExtensionConfig]
    config_sources: _containers.RepeatedCompositeFieldContainer[_config_core_v3_pb2.ConfigSource]
    default_config_source: _config_core_v3_pb2.ConfigSource
    default_socket_interface: str
    certificate_provider_instances: _containers.MessageMap[str, _config_core_v3_pb2.TypedExtensionConfig]
    perf_tracing_file_path: str
    default_regex_engine: _config_core_v3_pb2.TypedExtensionConfig
    xds_delegate_extension: _config_core_v3_pb2.TypedExtensionConfig
    xds_config_tracker_extension: _config_core_v3_pb2.TypedExtensionConfig
    listener_manager: _config_core_v3_pb2.TypedExtensionConfig
    enable_worker_cpu_affinity: bool
    stats_flush_on_admin: bool
    stats_eviction_interval: _duration_pb2.Duration
    def __init__(self, node: _Optional[_Union[_config_core_v3_pb2.Node, _Mapping]] = ..., node_context_params: _Optional[_Iterable[str]] = ..., static_resources: _Optional[_Union[Bootstrap.StaticResources, _Mapping]] = ..., dynamic_resources: _Optional[_Union[Bootstrap.DynamicResources, _Mapping]] = ..., cluster_manager: _Optional[_Union[ClusterManager, _Mapping]] = ..., hds_config: _Optional[_Union[_config_core_v3_pb2.ApiConfigSource, _Mapping]] = ..., flags_path: _Optional[str] = ..., stats_flush_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., admin: _Optional[_Union[Admin, _Mapping]] = ..., overload_manager: _Optional[_Union[_config_overload_v3_pb2.OverloadManager, _Mapping]] = ..., enable_dispatcher_stats: _Optional[bool] = ..., header_prefix: _Optional[str] = ..., stats_server_version_override: _Optional[_Union[_wrappers_pb2.UInt64Value, _Mapping]] = ..., typed_dns_resolver_config: _Optional[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]] = ..., bootstrap_extensions: _Optional[_Iterable[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]]] = ..., config_sources: _Optional[_Iterable[_Union[_config_core_v3_pb2.ConfigSource, _Mapping]]] = ..., default_config_source: _Optional[_Union[_config_core_v3_pb2.ConfigSource, _Mapping]] = ..., default_socket_interface: _Optional[str] = ..., certificate_provider_instances: _Optional[_Mapping[str, _config_core_v3_pb2.TypedExtensionConfig]] = ..., perf_tracing_file_path: _Optional[str] = ..., default_regex_engine: _Optional[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]] = ..., xds_delegate_extension: _Optional[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]] = ..., xds_config_tracker_extension: _Optional[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]] = ..., listener_manager: _Optional[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]] = ..., enable_worker_cpu_affinity: _Optional[bool] = ..., stats_flush_on_admin: _Optional[bool] = ..., stats_eviction_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ClusterManager(_message.Message):
    __slots__ = ("local_cluster_name", "load_stats_config", "enable_deferred_cluster_creation")
    LOCAL_CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    LOAD_STATS_CONFIG_FIELD_NUMBER: _ClassVar[int]
    ENABLE_DEFERRED_CLUSTER_CREATION_FIELD_NUMBER: _ClassVar[int]
    local_cluster_name: str
    load_stats_config: _config_core_v3_pb2.ApiConfigSource
    enable_deferred_cluster_creation: bool
    def __init__(self, local_cluster_name: _Optional[str] = ..., load_stats_config: _Optional[_Union[_config_core_v3_pb2.ApiConfigSource, _Mapping]] = ..., enable_deferred_cluster_creation: _Optional[bool] = ...) -> None: ...
