import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from xds.wire.envoy import type_v3_pb2 as _type_v3_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FaultDelay(_message.Message):
    __slots__ = ("percentage", "fixed_delay", "header_delay")
    class HeaderDelay(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    PERCENTAGE_FIELD_NUMBER: _ClassVar[int]
    FIXED_DELAY_FIELD_NUMBER: _ClassVar[int]
    HEADER_DELAY_FIELD_NUMBER: _ClassVar[int]
    percentage: _type_v3_pb2.FractionalPercent
    fixed_delay: _duration_pb2.Duration
    header_delay: FaultDelay.HeaderDelay
    def __init__(self, percentage: _Optional[_Union[_type_v3_pb2.FractionalPercent, _Mapping]] = ..., fixed_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., header_delay: _Optional[_Union[FaultDelay.HeaderDelay, _Mapping]] = ...) -> None: ...
