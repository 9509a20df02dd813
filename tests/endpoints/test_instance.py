"""Each instance is checked on its own, by the same class as the endpoints in the catalog."""

import pytest

from xds.catalog.model.endpoint import Endpoint
from xds.endpoints.instance import parse_instance, parse_update
from xds.sources.source import InstanceUpdate

API_1 = ("api", "api-1")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("10.0.0.4:5000", Endpoint("10.0.0.4", 5000)),
        ({"address": "10.0.0.4", "port": 5000, "weight": 3}, Endpoint("10.0.0.4", 5000, weight=3)),
        ({"address": "[::1]:80", "zone": "a"}, Endpoint("::1", 80, zone="a")),
        ({"address": "API.example.com:80", "drain": True}, Endpoint("api.example.com", 80, drain=True)),
    ],
)
def test_values_of_an_instance_mean_the_same_as_in_the_catalog(value: object, expected: Endpoint) -> None:
    """Short forms are allowed too."""
    assert parse_instance("registry", API_1, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {"address": "10.0.0.4:5000", "weight": 0},
            "services.api.endpoints.api-1.weight: expected a whole number from 1 to 4294967295, found 0",
        ),
        ({"address": "10.0.0.4:5000", "wieght": 1}, "services.api.endpoints.api-1.wieght: unknown key"),
        ({"address": "10.0.0.4"}, "services.api.endpoints.api-1: `port` is missing"),
        ("10.0.0.4:70000", "services.api.endpoints.api-1: expected a port from 1 to 65535"),
        (5, "services.api.endpoints.api-1: expected"),
        ([], "services.api.endpoints.api-1: expected"),
        ({"address": "10.0.0.4:5000", "metadata": {"a": float("nan")}}, "services.api.endpoints.api-1.metadata.a: "),
    ],
)
def test_a_problem_names_the_provider_and_the_path(value: object, expected: str) -> None:
    """The message is the same as for a catalog. There is no line to name."""
    found = parse_instance("registry", API_1, value)
    assert isinstance(found, tuple)
    [problem] = found
    assert str(problem).startswith(f"registry: error: {expected}")


def test_a_bad_instance_does_not_affect_the_others() -> None:
    """A bad instance is in neither set; the other instances are accepted."""
    update = InstanceUpdate({API_1: "10.0.0.4:5000", ("api", "api-2"): "nonsense", ("web", "web-1"): None})
    parsed = parse_update("registry", update)
    assert parsed.endpoints == {API_1: Endpoint("10.0.0.4", 5000), ("web", "web-1"): None}
    assert parsed.refused.keys() == {("api", "api-2")}
