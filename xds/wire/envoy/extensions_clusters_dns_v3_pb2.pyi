import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from xds.wire.envoy import config_core_v3_pb2 as _config_core_v3_pb2
from xds.wire.envoy import extensions_clusters_common_dns_v3_pb2 as _extensions_clusters_common_dns_v3_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DnsCluster(_message.Message):
    __slots__ = ("dns_refresh_rate", "respect_dns_ttl", "dns_jitter", "typed_dns_resolver_config", "dns_lookup_family", "all_addresses_in_single_endpoint", "dns_min_refresh_rate")
    DNS_REFRESH_RATE_FIELD_NUMBER: _ClassVar[int]
    RESPECT_DNS_TTL_FIELD_NUMBER: _ClassVar[int]
    DNS_JITTER_FIELD_NUMBER: _ClassVar[int]
    TYPED_DNS_RESOLVER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    DNS_LOOKUP_FAMILY_FIELD_NUMBER: _ClassVar[int]
    ALL_ADDRESSES_IN_SINGLE_ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    DNS_MIN_REFRESH_RATE_FIELD_NUMBER: _ClassVar[int]
    dns_refresh_rate: _duration_pb2.Duration
    respect_dns_ttl: bool
    dns_jitter: _duration_pb2.Duration
    typed_dns_resolver_config: _config_core_v3_pb2.TypedExtensionConfig
    dns_lookup_family: _extensions_clusters_common_dns_v3_pb2.DnsLookupFamily
    all_addresses_in_single_endpoint: bool
    dns_min_refresh_rate: _duration_pb2.Duration
    def __init__(self, dns_refresh_rate: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., respect_dns_ttl: _Optional[bool] = ..., dns_jitter: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., typed_dns_resolver_config: _Optional[_Union[_config_core_v3_pb2.TypedExtensionConfig, _Mapping]] = ..., dns_lookup_family: _Optional[_Union[_extensions_clusters_common_dns_v3_pb2.DnsLookupFamily, str]] = ..., all_addresses_in_single_endpoint: _Optional[bool] = ..., dns_min_refresh_rate: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
