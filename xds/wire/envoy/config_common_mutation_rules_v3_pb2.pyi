from xds.wire.envoy import config_core_v3_pb2 as _config_core_v3_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HeaderMutation(_message.Message):
    __slots__ = ("remove", "append")
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    APPEND_FIELD_NUMBER: _ClassVar[int]
    remove: str
    append: _config_core_v3_pb2.HeaderValueOption
    def __init__(self, remove: _Optional[str] = ..., append: _Optional[_Union[_config_core_v3_pb2.HeaderValueOption, _Mapping]] = ...) -> None: ...
