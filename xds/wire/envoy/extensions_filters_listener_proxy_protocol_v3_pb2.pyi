from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class ProxyProtocol(_message.Message):
    __slots__ = ("allow_requests_without_proxy_protocol", "stat_prefix")
    ALLOW_REQUESTS_WITHOUT_PROXY_PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    STAT_PREFIX_FIELD_NUMBER: _ClassVar[int]
    allow_requests_without_proxy_protocol: bool
    stat_prefix: str
    def __init__(self, allow_requests_without_proxy_protocol: _Optional[bool] = ..., stat_prefix: _Optional[str] = ...) -> None: ...
