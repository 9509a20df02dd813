from xds.wire.envoy import config_core_v3_pb2 as _config_core_v3_pb2
from xds.wire.envoy import config_route_v3_pb2 as _config_route_v3_pb2
from xds.wire.envoy import extensions_filters_network_http_connection_manager_v3_pb2 as _extensions_filters_network_http_connection_manager_v3_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HttpProtocolOptions(_message.Message):
    __slots__ = ("common_http_protocol_options", "http_filters", "header_validation_config", "request_mirror_policies", "hash_policy", "retry_policy", "explicit_http_config")
    class ExplicitHttpConfig(_message.Message):
        __slots__ = ("http_protocol_options", "http2_protocol_options")
        HTTP_PROTOCOL_OPTIONS_FIELD_NUMBER: _ClassVar[int]
        HTTP2_PROTOCOL_OPTIONS_FIELD_NUMBER: _ClassVar[int]
        http_protocol_options: _config_core_v3_pb2.Http1ProtocolOptions
        http2_protocol_options: _config_core_v3_pb2.Http2ProtocolOptions
        def __init__(self, http_protocol_options: _Optional[_Union[_config_core_v3_pb2.Http1ProtocolOptions, _Mapping]] = ..., http2_protocol_options: _Optional[_Union[_config_core_v3_pb2.Http2ProtocolOptions, _Mapping]] = ...) -> None: ...
    COMMON_HTTP_PROTOCOL_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    HTTP_FILTERS_FIELD_NUMBER: _ClassVar[int]
    HEADER_VALIDATION_CONFIG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_MIRROR_POLICIES_FIELD_NUMBER: _ClassVar[int]
    HASH_POLICY_FIELD_NUMBER: _ClassVar[int]
    RETRY_POLICY_FIELD_NUMBER: _ClassVar[int]
    EXPLICIT_HTTP_CONFIG_FIELD_NUMBER: _ClassVar[int]
    common_http_protocol_options: _config_core_v3_pb2.HttpProtocolOptions
    http_filters: _containers.RepeatedCompositeFieldContainer[_extensions_filters_network_http_connection_manager_v3_pb2.HttpFilter]
    header_validation_config: _config_core_v3_pb2.TypedExtensionConfig
    request_mirror_policies: _containers.RepeatedCompositeFieldContainer[_config_route_v3_pb2.RouteAction.RequestMirrorPolicy]
    hash_policy: _containers.RepeatedCompositeFieldContainer[_config_route_v3_pb2.RouteAction.HashPolicy]
    retry_policy: _config_route_v3_pb2.RetryPolicy
    explicit_http_config: HttpProtocolOptions.ExplicitHttpConfig
    def __init__(self, common_http_protocol_options: _Optional[_Union[_config_core_v3_pb2.HttpProtocolOptions, _Mapping]] = ..., http_filters: _Optional[_Iterable[_Union[_extensions_filters_network_http_connection_manager_v3_pb2.HttpFilter, _Mapping]]] = ..., header_validation_config: _Optional[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]] = ..., request_mirror_policies: _Optional[_Iterable[_Union[_config_route_v3_pb2.RouteAction.RequestMirrorPolicy, _Mapping]]] = ..., hash_policy: _Optional[_Iterable[_Union[_config_route_v3_pb2.RouteAction.HashPolicy, _Mapping]]] = ..., retry_policy: _Optional[_Union[_config_route_v3_pb2.RetryPolicy, _Mapping]] = ..., explicit_http_config: _Optional[_Union[HttpProtocolOptions.ExplicitHttpConfig, _Mapping]] = ...) -> None: ...
