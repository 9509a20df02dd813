"""Checks each instance of a provider by itself: the result is an endpoint, or the problems of the instance.

An instance has the same fields as an item of `endpoints` in the catalog, and is checked by the same class. The check
does not depend on the rest of the service.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from xds.catalog.model.endpoint import Endpoint, ShortEndpoint
from xds.catalog.reading.mistakes import explain_errors
from xds.catalog.reading.places import Place, place_mistake
from xds.errors import Problem
from xds.sources.source import InstanceId, InstanceUpdate


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Endpoint]:
    return TypeAdapter(ShortEndpoint)


def parse_instance(provider: str, instance: InstanceId, value: object) -> Endpoint | tuple[Problem, ...]:
    """Return the endpoint of an instance, written as an item of `endpoints`, or all problems of the instance."""
    try:
        return _adapter().validate_python(value)
    except ValidationError as errors:
        base = ("services", instance[0], "endpoints", instance[1])
        place = _place(value)
        for step in reversed(base):
            place = (0, 0, {step: (0, 0, place)})
        return tuple(place_mistake(one, provider, place) for one in explain_errors(errors, base))


def _place(value: object) -> Place:
    """Return the place of a value that is in no file: it has paths, but no lines."""
    if isinstance(value, dict):
        return 0, 0, {str(key): (0, 0, _place(one)) for key, one in value.items()}
    return 0, 0, [_place(one) for one in value] if isinstance(value, list) else None


@dataclass(frozen=True, slots=True)
class Parsed:
    """The result of an update: the valid endpoints (None for a removed one), and the problems of other instances."""

    endpoints: Mapping[InstanceId, Endpoint | None]
    refused: dict[InstanceId, tuple[Problem, ...]]


def parse_update(provider: str, update: InstanceUpdate) -> Parsed:
    """Check every instance of an update by itself, so that the valid ones are used even if others have problems."""
    endpoints: dict[InstanceId, Endpoint | None] = {}
    refused: dict[InstanceId, tuple[Problem, ...]] = {}
    for instance, value in update.instances.items():
        found = None if value is None else parse_instance(provider, instance, value)
        if isinstance(found, tuple):
            refused[instance] = found
        else:
            endpoints[instance] = found
    return Parsed(endpoints, refused)
