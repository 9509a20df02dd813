from google.protobuf import wrappers_pb2 as _wrappers_pb2
from xds.wire.envoy import extensions_transport_sockets_tls_v3_pb2 as _extensions_transport_sockets_tls_v3_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class QuicDownstreamTransport(_message.Message):
    __slots__ = ("downstream_tls_context", "enable_early_data", "enable_resumption")
    DOWNSTREAM_TLS_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    ENABLE_EARLY_DATA_FIELD_NUMBER: _ClassVar[int]
    ENABLE_RESUMPTION_FIELD_NUMBER: _ClassVar[int]
    downstream_tls_context: _extensions_transport_sockets_tls_v3_pb2.DownstreamTlsContext
    enable_early_data: _wrappers_pb2.BoolValue
    enable_resumption: _wrappers_pb2.BoolValue
    def __init__(self, downstream_tls_context: _Optional[_Union[_extensions_transport_sockets_tls_v3_pb2.DownstreamTlsContext, _Mapping]] = ..., enable_early_data: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping]] = ..., enable_resumption: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping]] = ...) -> None: ...
