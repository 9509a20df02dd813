from xds.wire.envoy import extensions_load_balancing_policies_common_v3_pb2 as _extensions_load_balancing_policies_common_v3_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RoundRobin(_message.Message):
    __slots__ = ("slow_start_config",)
    SLOW_START_CONFIG_FIELD_NUMBER: _ClassVar[int]
    slow_start_config: _extensions_load_balancing_policies_common_v3_pb2.SlowStartConfig
    def __init__(self, slow_start_config: _Optional[_Union[_extensions_load_balancing_policies_common_v3_pb2.SlowStartConfig, _Mapping]] = ...) -> None: ...
