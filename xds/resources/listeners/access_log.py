"""AccessLog: Envoy writes each request or connection as one line of JSON, with the field names of ECS.

ECS is the Elastic Common Schema. Values that it has no fields for are below `envoyproxy`. Query strings are not logged,
since they may contain secrets. Empty values are left out.
"""

from functools import lru_cache
from typing import Any as AnyValue

from xds.catalog.model.access_log import AccessLog
from xds.wire.envoy.config_accesslog_v3_pb2 import AccessLog as EnvoyAccessLog
from xds.wire.envoy.config_accesslog_v3_pb2 import (
    AccessLogFilter,
    AndFilter,
    ComparisonFilter,
    GrpcStatusFilter,
    HeaderFilter,
    OrFilter,
    ResponseFlagFilter,
    RuntimeFilter,
    StatusCodeFilter,
)
from xds.wire.envoy.config_core_v3_pb2 import RuntimeUInt32, SubstitutionFormatString
from xds.wire.envoy.config_route_v3_pb2 import HeaderMatcher
from xds.wire.envoy.extensions_access_loggers_file_v3_pb2 import FileAccessLog
from xds.wire.envoy.extensions_access_loggers_stream_v3_pb2 import StdoutAccessLog
from xds.wire.envoy.type_matcher_v3_pb2 import StringMatcher
from xds.wire.envoy.type_v3_pb2 import FractionalPercent
from xds.wire.messages import pack

MILLION = 1_000_000
ECS_VERSION = "8.17.0"

FAULTS = [
    *("DC", "DF", "DPE", "DT", "IH", "LH", "LR", "NC", "NFCF", "NR", "OM", "RFCF"),
    *("SI", "UC", "UF", "UH", "UMSDR", "UO", "UPE", "UR", "URX", "UT"),
]
"""The response flags of failures, without those of requests that a limit or a check refused as configured (RL, …)."""

GRPC_ERRORS = [
    GrpcStatusFilter.Status.UNKNOWN,
    GrpcStatusFilter.Status.DEADLINE_EXCEEDED,
    GrpcStatusFilter.Status.UNIMPLEMENTED,
    GrpcStatusFilter.Status.INTERNAL,
    GrpcStatusFilter.Status.UNAVAILABLE,
    GrpcStatusFilter.Status.DATA_LOSS,
]
"""The statuses that OpenTelemetry's semantic conventions count as errors of the server; the others are as a 4xx."""

SOURCE = {"ip": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "port": "%DOWNSTREAM_REMOTE_PORT%"}
DESTINATION = {
    "address": "%UPSTREAM_HOST%",
    "ip": "%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "port": "%UPSTREAM_REMOTE_PORT%",
}
COMMON: dict[str, AnyValue] = {
    "@timestamp": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
    "ecs": {"version": ECS_VERSION},
    "source": SOURCE,
    "destination": DESTINATION,
    "tls": {"client": {"server_name": "%REQUESTED_SERVER_NAME%"}},
    "error": {"message": "%UPSTREAM_TRANSPORT_FAILURE_REASON%"},
}
EVENT = {"kind": "event", "dataset": "envoyproxy.access"}

HTTP: dict[str, AnyValue] = COMMON | {
    "event": EVENT | {"category": ["web"], "type": ["access"], "duration": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:ns)%"},
    "network": {"protocol": "http"},
    "http": {
        "version": "%PROTOCOL%",
        "request": {
            "id": "%REQ(X-REQUEST-ID)%",
            "method": "%REQ(:METHOD)%",
            "body": {"bytes": "%BYTES_RECEIVED%"},
        },
        "response": {"status_code": "%RESPONSE_CODE%", "body": {"bytes": "%BYTES_SENT%"}},
    },
    "url": {
        "scheme": "%REQ(:SCHEME)%",
        "domain": "%REQ(:AUTHORITY)%",
        "path": "%PATH(NQ:ORIG_OR_PATH)%",
    },
    "user_agent": {"original": "%REQ(USER-AGENT)%"},
    "trace": {"id": "%TRACE_ID%"},
    "envoyproxy": {
        "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
        "response_flags": "%RESPONSE_FLAGS%",
        "response_code_details": "%RESPONSE_CODE_DETAILS%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "grpc_status": "%GRPC_STATUS_NUMBER%",
    },
}

TCP: dict[str, AnyValue] = COMMON | {
    "event": EVENT
    | {"category": ["network"], "type": ["connection"], "duration": "%COMMON_DURATION(DS_CX_BEG:DS_CX_END:ns)%"},
    "network": {"transport": "tcp"},
    "source": SOURCE | {"bytes": "%BYTES_RECEIVED%"},
    "destination": DESTINATION | {"bytes": "%BYTES_SENT%"},
    "envoyproxy": {
        "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
        "response_flags": "%RESPONSE_FLAGS%",
        "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    },
}


@lru_cache(maxsize=1024)
def build_access_log(log: AccessLog | None, *, tcp: bool = False) -> tuple[EnvoyAccessLog, ...]:
    """Build the access log of one filter; return none if it is disabled."""
    if log is None or not log.enabled:
        return ()
    log_format = SubstitutionFormatString(json_format=TCP if tcp else HTTP, omit_empty_values=True)
    chosen = _choose(log, tcp=tcp)
    if log.file is None:
        stdout = pack(StdoutAccessLog(log_format=log_format))
        return (EnvoyAccessLog(name="envoy.access_loggers.stdout", filter=chosen, typed_config=stdout),)
    written = pack(FileAccessLog(path=log.file, log_format=log_format))
    return (EnvoyAccessLog(name="envoy.access_loggers.file", filter=chosen, typed_config=written),)


def _choose(log: AccessLog, *, tcp: bool) -> AccessLogFilter | None:
    filters = _find_errors(tcp=tcp) if log.errors else []
    if log.sample is not None:
        filters.append(_sample(log.sample))
    if len(filters) > 1:
        return AccessLogFilter(or_filter=OrFilter(filters=filters))
    return filters[0] if filters else None


def _sample(percent: float) -> AccessLogFilter:
    """Build a random sample. It depends on x-request-id, so that all Envoys on a request's way decide the same."""
    share = FractionalPercent(
        numerator=round(percent * MILLION / 100), denominator=FractionalPercent.DenominatorType.MILLION
    )
    return AccessLogFilter(runtime_filter=RuntimeFilter(runtime_key="access_log.sample", percent_sampled=share))


def _find_errors(*, tcp: bool) -> list[AccessLogFilter]:
    flags = AccessLogFilter(response_flag_filter=ResponseFlagFilter(flags=FAULTS))
    if tcp:
        return [flags]
    status = ComparisonFilter(
        op=ComparisonFilter.Op.GE, value=RuntimeUInt32(default_value=500, runtime_key="access_log.status")
    )
    # Envoy treats a response without a gRPC status as an unknown error, so this applies only to gRPC calls.
    is_grpc = HeaderMatcher(name="content-type", string_match=StringMatcher(prefix="application/grpc"))
    of_grpc = AndFilter(
        filters=[
            AccessLogFilter(header_filter=HeaderFilter(header=is_grpc)),
            AccessLogFilter(grpc_status_filter=GrpcStatusFilter(statuses=GRPC_ERRORS)),
        ]
    )
    return [
        AccessLogFilter(status_code_filter=StatusCodeFilter(comparison=status)),
        flags,
        AccessLogFilter(and_filter=of_grpc),
    ]
