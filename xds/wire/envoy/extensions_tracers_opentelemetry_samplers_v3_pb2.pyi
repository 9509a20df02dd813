from xds.wire.envoy import config_core_v3_pb2 as _config_core_v3_pb2
from xds.wire.envoy import type_v3_pb2 as _type_v3_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ParentBasedSamplerConfig(_message.Message):
    __slots__ = ("wrapped_sampler",)
    WRAPPED_SAMPLER_FIELD_NUMBER: _ClassVar[int]
    wrapped_sampler: _config_core_v3_pb2.TypedExtensionConfig
    def __init__(self, wrapped_sampler: _Optional[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]] = ...) -> None: ...

class TraceIdRatioBasedSamplerConfig(_message.Message):
    __slots__ = ("sampling_percentage",)
    SAMPLING_PERCENTAGE_FIELD_NUMBER: _ClassVar[int]
    sampling_percentage: _type_v3_pb2.FractionalPercent
    def __init__(self, sampling_percentage: _Optional[_Union[_type_v3_pb2.FractionalPercent, _Mapping]] = ...) -> None: ...
