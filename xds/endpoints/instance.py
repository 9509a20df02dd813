"""Checks each instance of a provider by itself: the result is an endpoint, or the problems of the instance.

An instance has the same fields as an item of `endpoints` in the catalog, and is checked by the same class. The check
does not depend on the rest of the service.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from xds.catalog.model.endpoint import MAX_WEIGHT, Endpoint, ShortEndpoint
from xds.catalog.model.service import MAX_ITEMS
from xds.catalog.reading.mistakes import explain_errors
from xds.catalog.reading.places import Place, place_mistake
from xds.errors import Problem
from xds.sources.source import InstanceId, InstanceUpdate

MAX_INSTANCE_WEIGHT = MAX_WEIGHT // MAX_ITEMS
"""So that the weights of all endpoints of a service, which may be MAX_ITEMS, sum up to MAX_WEIGHT at most."""


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Endpoint]:
    return TypeAdapter(ShortEndpoint)


def parse_instance(provider: str, instance: InstanceId, value: object) -> Endpoint | tuple[Problem, ...]:
    """Return the endpoint of an instance, written as an item of `endpoints`, or all problems of the instance."""
    try:
        return _check(_adapter().validate_python(value))
    except ValidationError as errors:
        base = ("services", instance[0], "endpoints", instance[1])
        place = _place(value)
        for step in reversed(base):
            place = (0, 0, {step: (0, 0, place)})
        return tuple(place_mistake(one, provider, place) for one in explain_errors(errors, base))


def _check(endpoint: Endpoint) -> Endpoint:
    """Refuse what the class accepts, but no ClusterLoadAssignment can hold. Raises ValueError.

    These are labels that UTF-8 cannot encode, as JSON's lone surrogates, and large weights: their sum over a service's
    endpoints could be more than Envoy accepts. The sum itself is checked in the catalog only.
    """
    if endpoint.metadata:
        json.dumps(dict(endpoint.metadata), ensure_ascii=False).encode()
    if endpoint.load_balancing_weight > MAX_INSTANCE_WEIGHT:
        raise ValueError(f"expected a weight from 1 to {MAX_INSTANCE_WEIGHT}, found {endpoint.weight}")
    return endpoint


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


def _try_to_parse(provider: str, instance: InstanceId, value: object) -> Endpoint | tuple[Problem, ...]:
    """Parse an instance. A mistake that has no field is a problem of the whole instance."""
    path = f"services.{instance[0]!s:.100}.endpoints.{instance[1]!s:.100}"
    if not all(isinstance(name, str) and name.isprintable() for name in instance):
        return (Problem(provider, 0, 0, path, "the names of a service and of an instance are printable text"),)
    try:
        return parse_instance(provider, instance, value)
    except (RecursionError, TypeError, ValueError) as error:
        return (Problem(provider, 0, 0, path, f"cannot be read: {error!s:.200}"),)


def parse_update(provider: str, update: InstanceUpdate) -> Parsed:
    """Check every instance of an update by itself, so that the valid ones are used even if others have problems."""
    endpoints: dict[InstanceId, Endpoint | None] = {}
    refused: dict[InstanceId, tuple[Problem, ...]] = {}
    for instance, value in update.instances.items():
        found = None if value is None else _try_to_parse(provider, instance, value)
        if isinstance(found, tuple):
            refused[instance] = found
        else:
            endpoints[instance] = found
    return Parsed(endpoints, refused)
