import datetime

from google.protobuf import any_pb2 as _any_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import wrappers_pb2 as _wrappers_pb2
from xds.wire.envoy import config_accesslog_v3_pb2 as _config_accesslog_v3_pb2
from xds.wire.envoy import config_core_v3_pb2 as _config_core_v3_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AdditionalAddress(_message.Message):
    __slots__ = ("address", "tcp_keepalive")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TCP_KEEPALIVE_FIELD_NUMBER: _ClassVar[int]
    address: _config_core_v3_pb2.Address
    tcp_keepalive: _config_core_v3_pb2.TcpKeepalive
    def __init__(self, address: _Optional[_Union[_config_core_v3_pb2.Address, _Mapping]] = ..., tcp_keepalive: _Optional[_Union[_config_core_v3_pb2.TcpKeepalive, _Mapping]] = ...) -> None: ...

class ApiListener(_message.Message):
    __slots__ = ("api_listener",)
    API_LISTENER_FIELD_NUMBER: _ClassVar[int]
    api_listener: _any_pb2.Any
    def __init__(self, api_listener: _Optional[_Union[_any_pb2.Any, _Mapping]] = ...) -> None: ...

class Filter(_message.Message):
    __slots__ = ("name", "typed_config")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPED_CONFIG_FIELD_NUMBER: _ClassVar[int]
    name: str
    typed_config: _any_pb2.Any
    def __init__(self, name: _Optional[str] = ..., typed_config: _Optional[_Union[_any_pb2.Any, _Mapping]] = ...) -> None: ...

class FilterChain(_message.Message):
    __slots__ = ("filter_chain_match", "filters", "metadata", "transport_socket", "transport_socket_connect_timeout", "name")
    FILTER_CHAIN_MATCH_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_SOCKET_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_SOCKET_CONNECT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    filter_chain_match: FilterChainMatch
    filters: _containers.RepeatedCompositeFieldContainer[Filter]
    metadata: _config_core_v3_pb2.Metadata
    transport_socket: _config_core_v3_pb2.TransportSocket
    transport_socket_connect_timeout: _duration_pb2.Duration
    name: str
    def __init__(self, filter_chain_match: _Optional[_Union[FilterChainMatch, _Mapping]] = ..., filters: _Optional[_Iterable[_Union[Filter, _Mapping]]] = ..., metadata: _Optional[_Union[_config_core_v3_pb2.Metadata, _Mapping]] = ..., transport_socket: _Optional[_Union[_config_core_v3_pb2.TransportSocket, _Mapping]] = ..., transport_socket_connect_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., name: _Optional[str] = ...) -> None: ...

class FilterChainMatch(_message.Message):
    __slots__ = ("destination_port", "address_suffix", "suffix_len", "source_ports", "server_names", "transport_protocol", "application_protocols")
    DESTINATION_PORT_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_SUFFIX_FIELD_NUMBER: _ClassVar[int]
    SUFFIX_LEN_FIELD_NUMBER: _ClassVar[int]
    SOURCE_PORTS_FIELD_NUMBER: _ClassVar[int]
    SERVER_NAMES_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    APPLICATION_PROTOCOLS_FIELD_NUMBER: _ClassVar[int]
    destination_port: _wrappers_pb2.UInt32Value
    address_suffix: str
    suffix_len: _wrappers_pb2.UInt32Value
    source_ports: _containers.RepeatedScalarFieldContainer[int]
    server_names: _containers.RepeatedScalarFieldContainer[str]
    transport_protocol: str
    application_protocols: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, destination_port: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., address_suffix: _Optional[str] = ..., suffix_len: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., source_ports: _Optional[_Iterable[int]] = ..., server_names: _Optional[_Iterable[str]] = ..., transport_protocol: _Optional[str] = ..., application_protocols: _Optional[_Iterable[str]] = ...) -> None: ...

class Listener(_message.Message):
    __slots__ = ("name", "address", "additional_addresses", "stat_prefix", "filter_chains", "use_original_dst", "default_filter_chain", "per_connection_buffer_limit_bytes", "per_connection_buffer_high_watermark_timeout", "metadata", "listener_filters", "listener_filters_timeout", "continue_on_listener_filters_timeout", "transparent", "freebind", "tcp_fast_open_queue_length", "udp_listener_config", "api_listener", "enable_reuse_port", "access_log", "tcp_backlog_size", "max_connections_to_accept_per_socket_event", "bind_to_port", "enable_mptcp", "ignore_global_conn_limit", "bypass_overload_manager", "tcp_keepalive")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ADDITIONAL_ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    STAT_PREFIX_FIELD_NUMBER: _ClassVar[int]
    FILTER_CHAINS_FIELD_NUMBER: _ClassVar[int]
    USE_ORIGINAL_DST_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_FILTER_CHAIN_FIELD_NUMBER: _ClassVar[int]
    PER_CONNECTION_BUFFER_LIMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    PER_CONNECTION_BUFFER_HIGH_WATERMARK_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    LISTENER_FILTERS_FIELD_NUMBER: _ClassVar[int]
    LISTENER_FILTERS_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CONTINUE_ON_LISTENER_FILTERS_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    TRANSPARENT_FIELD_NUMBER: _ClassVar[int]
    FREEBIND_FIELD_NUMBER: _ClassVar[int]
    TCP_FAST_OPEN_QUEUE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    UDP_LISTENER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    API_LISTENER_FIELD_NUMBER: _ClassVar[int]
    ENABLE_REUSE_PORT_FIELD_NUMBER: _ClassVar[int]
    ACCESS_LOG_FIELD_NUMBER: _ClassVar[int]
    TCP_BACKLOG_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_CONNECTIONS_TO_ACCEPT_PER_SOCKET_EVENT_FIELD_NUMBER: _ClassVar[int]
    BIND_TO_PORT_FIELD_NUMBER: _ClassVar[int]
    ENABLE_MPTCP_FIELD_NUMBER: _ClassVar[int]
    IGNORE_GLOBAL_CONN_LIMIT_FIELD_NUMBER: _ClassVar[int]
    BYPASS_OVERLOAD_MANAGER_FIELD_NUMBER: _ClassVar[int]
    TCP_KEEPALIVE_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: _config_core_v3_pb2.Address
    additional_addresses: _containers.RepeatedCompositeFieldContainer[AdditionalAddress]
    stat_prefix: str
    filter_chains: _containers.RepeatedCompositeFieldContainer[FilterChain]
    use_original_dst: _wrappers_pb2.BoolValue
    default_filter_chain: FilterChain
    per_connection_buffer_limit_bytes: _wrappers_pb2.UInt32Value
    per_connection_buffer_high_watermark_timeout: _duration_pb2.Duration
    metadata: _config_core_v3_pb2.Metadata
    listener_filters: _containers.RepeatedCompositeFieldContainer[ListenerFilter]
    listener_filters_timeout: _duration_pb2.Duration
    continue_on_listener_filters_timeout: bool
    transparent: _wrappers_pb2.BoolValue
    freebind: _wrappers_pb2.BoolValue
    tcp_fast_open_queue_length: _wrappers_pb2.UInt32Value
    udp_listener_config: UdpListenerConfig
    api_listener: ApiListener
    enable_reuse_port: _wrappers_pb2.BoolValue
    access_log: _containers.RepeatedCompositeFieldContainer[_config_accesslog_v3_pb2.AccessLog]
    tcp_backlog_size: _wrappers_pb2.UInt32Value
    max_connections_to_accept_per_socket_event: _wrappers_pb2.UInt32Value
    bind_to_port: _wrappers_pb2.BoolValue
    enable_mptcp: bool
    ignore_global_conn_limit: bool
    bypass_overload_manager: bool
    tcp_keepalive: _config_core_v3_pb2.TcpKeepalive
    def __init__(self, name: _Optional[str] = ..., address: _Optional[_Union[_config_core_v3_pb2.Address, _Mapping]] = ..., additional_addresses: _Optional[_Iterable[_Union[AdditionalAddress, _Mapping]]] = ..., stat_prefix: _Optional[str] = ..., filter_chains: _Optional[_Iterable[_Union[FilterChain, _Mapping]]] = ..., use_original_dst: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping]] = ..., default_filter_chain: _Optional[_Union[FilterChain, _Mapping]] = ..., per_connection_buffer_limit_bytes: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., per_connection_buffer_high_watermark_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., metadata: _Optional[_Union[_config_core_v3_pb2.Metadata, _Mapping]] = ..., listener_filters: _Optional[_Iterable[_Union[ListenerFilter, _Mapping]]] = ..., listener_filters_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., continue_on_listener_filters_timeout: _Optional[bool] = ..., transparent: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping]] = ..., freebind: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping]] = ..., tcp_fast_open_queue_length: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., udp_listener_config: _Optional[_Union[UdpListenerConfig, _Mapping]] = ..., api_listener: _Optional[_Union[ApiListener, _Mapping]] = ..., enable_reuse_port: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping]] = ..., access_log: _Optional[_Iterable[_Union[_config_accesslog_v3_pb2.AccessLog, _Mapping]]] = ..., tcp_backlog_size: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., max_connections_to_accept_per_socket_event: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., bind_to_port: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping]] = ..., enable_mptcp: _Optional[bool] = ..., ignore_global_conn_limit: _Optional[bool] = ..., bypass_overload_manager: _Optional[bool] = ..., tcp_keepalive: _Optional[_Union[_config_core_v3_pb2.TcpKeepalive, _Mapping]] = ...) -> None: ...

class ListenerFilter(_message.Message):
    __slots__ = ("name", "typed_config")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPED_CONFIG_FIELD_NUMBER: _ClassVar[int]
    name: str
    typed_config: _any_pb2.Any
    def __init__(self, name: _Optional[str] = ..., typed_config: _Optional[_Union[_any_pb2.Any, _Mapping]] = ...) -> None: ...

class QuicProtocolOptions(_message.Message):
    __slots__ = ("quic_protocol_options", "idle_timeout", "crypto_handshake_timeout", "packets_to_read_to_connection_count_ratio", "crypto_stream_config", "proof_source_config", "connection_id_generator_config", "server_preferred_address_config", "send_disable_active_migration", "connection_debug_visitor_config", "reject_new_connections", "max_sessions_per_event_loop")
    QUIC_PROTOCOL_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CRYPTO_HANDSHAKE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    PACKETS_TO_READ_TO_CONNECTION_COUNT_RATIO_FIELD_NUMBER: _ClassVar[int]
    CRYPTO_STREAM_CONFIG_FIELD_NUMBER: _ClassVar[int]
    PROOF_SOURCE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_ID_GENERATOR_CONFIG_FIELD_NUMBER: _ClassVar[int]
    SERVER_PREFERRED_ADDRESS_CONFIG_FIELD_NUMBER: _ClassVar[int]
    SEND_DISABLE_ACTIVE_MIGRATION_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_DEBUG_VISITOR_CONFIG_FIELD_NUMBER: _ClassVar[int]
    REJECT_NEW_CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_SESSIONS_PER_EVENT_LOOP_FIELD_NUMBER: _ClassVar[int]
    quic_protocol_options: _config_core_v3_pb2.QuicProtocolOptions
    idle_timeout: _duration_pb2.Duration
    crypto_handshake_timeout: _duration_pb2.Duration
    packets_to_read_to_connection_count_ratio: _wrappers_pb2.UInt32Value
    crypto_stream_config: _config_core_v3_pb2.TypedExtensionConfig
    proof_source_config: _config_core_v3_pb2.TypedExtensionConfig
    connection_id_generator_config: _config_core_v3_pb2.TypedExtensionConfig
    server_preferred_address_config: _config_core_v3_pb2.TypedExtensionConfig
    send_disable_active_migration: _wrappers_pb2.BoolValue
    connection_debug_visitor_config: _config_core_v3_pb2.TypedExtensionConfig
    reject_new_connections: bool
    max_sessions_per_event_loop: _wrappers_pb2.UInt32Value
    def __init__(self, quic_protocol_options: _Optional[_Union[_config_core_v3_pb2.QuicProtocolOptions, _Mapping]] = ..., idle_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., crypto_handshake_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., packets_to_read_to_connection_count_ratio: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., crypto_stream_config: _Optional[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]] = ..., proof_source_config: _Optional[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]] = ..., connection_id_generator_config: _Optional[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]] = ..., server_preferred_address_config: _Optional[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]] = ..., send_disable_active_migration: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping]] = ..., connection_debug_visitor_config: _Optional[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]] = ..., reject_new_connections: _Optional[bool] = ..., max_sessions_per_event_loop: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ...) -> None: ...

class UdpListenerConfig(_message.Message):
    __slots__ = ("quic_options", "udp_packet_packet_writer_config")
    QUIC_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    UDP_PACKET_PACKET_WRITER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    quic_options: QuicProtocolOptions
    udp_packet_packet_writer_config: _config_core_v3_pb2.TypedExtensionConfig
    def __init__(self, quic_options: _Optional[_Union[QuicProtocolOptions, _Mapping]] = ..., udp_packet_packet_writer_config: _Optional[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]] = ...) -> None: ...
