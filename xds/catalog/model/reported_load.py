"""Balances that follow the load that endpoints report (ORCA): among endpoints, and among localities."""

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field, StringConstraints
from pydantic.dataclasses import dataclass

from xds.catalog.text.durations import AtLeast
from xds.catalog.text.field import About, Expected, IfWrong
from xds.catalog.text.names import CONFIG, NOBODY, Duration, Fraction, Wait
from xds.catalog.text.percents import Percentage

MetricName = Annotated[
    str,
    StringConstraints(max_length=256, pattern=r"^[!-+\--~]+$"),
    Expected("a metric's name", "named_metrics.queue"),
    IfWrong(stand_in=NOBODY),
]


@dataclass(frozen=True, slots=True, config=CONFIG)
class ClientSideWeighted:
    """Weights that each Envoy computes from the load that endpoints report (ORCA), in answers or out of band."""

    blackout_period: Annotated[
        Duration,
        Field(description="How long an endpoint must report before its weight counts"),
        About(envoy="ClientSideWeightedRoundRobin.blackout_period"),
    ] = timedelta(seconds=10)
    weight_expiration_period: Annotated[
        Wait,
        Field(description="How long a weight counts after the last report"),
        About(envoy="ClientSideWeightedRoundRobin.weight_expiration_period"),
    ] = timedelta(minutes=3)
    weight_update_period: Annotated[
        Wait,
        Field(description="How often the weights are computed"),
        About(envoy="ClientSideWeightedRoundRobin.weight_update_period"),
    ] = timedelta(seconds=1)
    error_utilization_penalty: Annotated[
        Fraction,
        Field(description="How much the reported errors add to the utilization"),
        About(envoy="ClientSideWeightedRoundRobin.error_utilization_penalty"),
    ] = 1.0
    metric_names: Annotated[
        tuple[MetricName, ...],
        Field(max_length=20, description="Reported metrics that give the utilization"),
        Expected("a list of metrics", ["named_metrics.queue"]),
        About(
            default="`application_utilization`, or else `cpu_utilization`",
            envoy="ClientSideWeightedRoundRobin.metric_names_for_computing_utilization",
        ),
    ] = ()
    oob_reporting_period: Annotated[
        Wait | None,
        Field(description="How often Envoy asks each endpoint for its load, in a stream of its own (OpenRcaService)"),
        About(
            default="never: load comes with the answers",
            envoy="ClientSideWeightedRoundRobin.oob_reporting_period",
        ),
    ] = None


MIN_UPDATE_PERIOD: Final = 100
"""Envoy's limit on how often the shares of localities are computed, in milliseconds."""


@dataclass(frozen=True, slots=True, config=CONFIG)
class LoadAwareLocality:
    """The locality of the caller first, others as far as their endpoints report more headroom (ORCA)."""

    weight_update_period: Annotated[
        Annotated[Duration, AtLeast(MIN_UPDATE_PERIOD)] | None,
        Field(description="How often the shares of the localities are computed, 100ms or more"),
        About(default="1s", envoy="LoadAwareLocality.weight_update_period"),
    ] = None
    weight_expiration_period: Annotated[
        Wait | None,
        Field(description="How long a reported load counts after the last report"),
        About(default="3m", envoy="LoadAwareLocality.weight_expiration_period"),
    ] = None
    utilization_variance_threshold: Annotated[
        Annotated[float, Percentage(0, 100)] | None,
        Field(
            description="Up to this much more utilization than elsewhere, the locality of the caller gets all requests"
        ),
        About(default="10%", envoy="LoadAwareLocality.utilization_variance_threshold"),
    ] = None
    smoothing_time_constant: Annotated[
        Wait | None,
        Field(description="How slowly the utilization of a locality follows the reports"),
        About(default="5s", envoy="LoadAwareLocality.smoothing_time_constant"),
    ] = None
    remote_probe_fraction: Annotated[
        Annotated[float, Percentage(0, 99)] | None,
        Field(description="The share of requests that always goes to other localities, so that their load is known"),
        About(default="3%", envoy="LoadAwareLocality.remote_probe_fraction"),
    ] = None
    metric_names: Annotated[
        tuple[MetricName, ...],
        Field(max_length=20, description="Reported metrics that give the utilization"),
        Expected("a list of metrics", ["named_metrics.queue"]),
        About(
            default="`application_utilization`, or else `cpu_utilization`",
            envoy="LoadAwareLocality.metric_names_for_computing_utilization",
        ),
    ] = ()
    oob_reporting_period: Annotated[
        Wait | None,
        Field(description="How often Envoy asks each endpoint for its load, in a stream of its own (OpenRcaService)"),
        About(
            default="never: load comes with the answers",
            envoy="LoadAwareLocality.oob_reporting_period",
        ),
    ] = None
