"""Slow start: how the share of a new endpoint grows to its own."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from xds.catalog.text.field import About, Alone, Example, IfWrong, is_amount
from xds.catalog.text.names import CONFIG, Wait
from xds.catalog.text.percents import Percentage


@dataclass(frozen=True, slots=True, config=CONFIG)
class SlowStart:
    """How the share of a new endpoint grows; the short form is the `window`."""

    window: Annotated[
        Wait,
        Field(description="How long the share grows"),
        About(envoy="SlowStartConfig.slow_start_window"),
        IfWrong(stand_in="1s"),
    ]
    aggression: Annotated[
        Annotated[float, Field(ge=0.01, le=1000, allow_inf_nan=False, strict=True)] | None,
        Field(description="Above 1 the share grows fast at first, below 1 it grows late"),
        About(default="1.0, evenly", envoy="SlowStartConfig.aggression"),
    ] = None
    min_weight_percent: Annotated[
        Annotated[float, Percentage(0, 100)] | None,
        Field(description="The share with which an endpoint begins"),
        About(default="10%", envoy="SlowStartConfig.min_weight_percent"),
    ] = None


ShortSlowStart = Annotated[SlowStart, Alone("window", takes=is_amount), Example({"window": "30s"})]
