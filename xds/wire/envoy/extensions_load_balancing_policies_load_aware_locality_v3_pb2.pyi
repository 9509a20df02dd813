import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import wrappers_pb2 as _wrappers_pb2
from xds.wire.envoy import config_cluster_v3_pb2 as _config_cluster_v3_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LoadAwareLocality(_message.Message):
    __slots__ = ("endpoint_picking_policy", "weight_update_period", "metric_names_for_computing_utilization", "utilization_variance_threshold", "smoothing_time_constant", "remote_probe_fraction", "weight_expiration_period", "enable_oob_load_report", "oob_reporting_period")
    ENDPOINT_PICKING_POLICY_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_UPDATE_PERIOD_FIELD_NUMBER: _ClassVar[int]
    METRIC_NAMES_FOR_COMPUTING_UTILIZATION_FIELD_NUMBER: _ClassVar[int]
    UTILIZATION_VARIANCE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    SMOOTHING_TIME_CONSTANT_FIELD_NUMBER: _ClassVar[int]
    REMOTE_PROBE_FRACTION_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_EXPIRATION_PERIOD_FIELD_NUMBER: _ClassVar[int]
    ENABLE_OOB_LOAD_REPORT_FIELD_NUMBER: _ClassVar[int]
    OOB_REPORTING_PERIOD_FIELD_NUMBER: _ClassVar[int]
    endpoint_picking_policy: _config_cluster_v3_pb2.LoadBalancingPolicy
    weight_update_period: _duration_pb2.Duration
    metric_names_for_computing_utilization: _containers.RepeatedScalarFieldContainer[str]
    utilization_variance_threshold: _wrappers_pb2.DoubleValue
    smoothing_time_constant: _duration_pb2.Duration
    remote_probe_fraction: _wrappers_pb2.DoubleValue
    weight_expiration_period: _duration_pb2.Duration
    enable_oob_load_report: _wrappers_pb2.BoolValue
    oob_reporting_period: _duration_pb2.Duration
    def __init__(self, endpoint_picking_policy: _Optional[_Union[_config_cluster_v3_pb2.LoadBalancingPolicy, _Mapping]] = ..., weight_update_period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., metric_names_for_computing_utilization: _Optional[_Iterable[str]] = ..., utilization_variance_threshold: _Optional[_Union[_wrappers_pb2.DoubleValue, _Mapping]] = ..., smoothing_time_constant: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., remote_probe_fraction: _Optional[_Union[_wrappers_pb2.DoubleValue, _Mapping]] = ..., weight_expiration_period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., enable_oob_load_report: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping]] = ..., oob_reporting_period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
