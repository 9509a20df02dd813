from google.protobuf import any_pb2 as _any_pb2
from google.protobuf import wrappers_pb2 as _wrappers_pb2
from xds.wire.envoy import config_core_v3_pb2 as _config_core_v3_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OpenTelemetryConfig(_message.Message):
    __slots__ = ("grpc_service", "service_name", "resource_detectors", "sampler", "max_cache_size", "set_telemetry_sdk_resource_attributes", "set_service_name_resource_attribute")
    GRPC_SERVICE_FIELD_NUMBER: _ClassVar[int]
    SERVICE_NAME_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_DETECTORS_FIELD_NUMBER: _ClassVar[int]
    SAMPLER_FIELD_NUMBER: _ClassVar[int]
    MAX_CACHE_SIZE_FIELD_NUMBER: _ClassVar[int]
    SET_TELEMETRY_SDK_RESOURCE_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    SET_SERVICE_NAME_RESOURCE_ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    grpc_service: _config_core_v3_pb2.GrpcService
    service_name: str
    resource_detectors: _containers.RepeatedCompositeFieldContainer[_config_core_v3_pb2.TypedExtensionConfig]
    sampler: _config_core_v3_pb2.TypedExtensionConfig
    max_cache_size: _wrappers_pb2.UInt32Value
    set_telemetry_sdk_resource_attributes: _wrappers_pb2.BoolValue
    set_service_name_resource_attribute: _wrappers_pb2.BoolValue
    def __init__(self, grpc_service: _Optional[_Union[_config_core_v3_pb2.GrpcService, _Mapping]] = ..., service_name: _Optional[str] = ..., resource_detectors: _Optional[_Iterable[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]]] = ..., sampler: _Optional[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]] = ..., max_cache_size: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., set_telemetry_sdk_resource_attributes: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping]] = ..., set_service_name_resource_attribute: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping]] = ...) -> None: ...

class Tracing(_message.Message):
    __slots__ = ("http",)
    class Http(_message.Message):
        __slots__ = ("name", "typed_config")
        NAME_FIELD_NUMBER: _ClassVar[int]
        TYPED_CONFIG_FIELD_NUMBER: _ClassVar[int]
        name: str
        typed_config: _any_pb2.Any
        def __init__(self, name: _Optional[str] = ..., typed_config: _Optional[_Union[_any_pb2.Any, _Mapping]] = ...) -> None: ...
    HTTP_FIELD_NUMBER: _ClassVar[int]
    http: Tracing.Http
    def __init__(self, http: _Optional[_Union[Tracing.Http, _Mapping]] = ...) -> None: ...
