"""How the edge's Envoy shares the requests, and from when on all its workers do so."""

import time
from fractions import Fraction
from typing import Any

from mesh.project import Container, ask_envoy, wait_until

SERVICE = "api-service"

MERGE_SECONDS = 0.1
"""How long Envoy collects changes of health and weight before it passes them to its workers.

It is the `update_merge_window` of the clusters that xds serves.
"""


def wait_for_shares(edge: Container, addresses: dict[str, str], expected: dict[str, Fraction]) -> float:
    """Wait until the edge gives each instance its expected share of every new request. Return the seconds.

    Envoy's admin shows a change before the workers have it. So the admin is asked again after the merge window.
    """
    start = time.monotonic()
    for wait in (0.0, MERGE_SECONDS):
        time.sleep(wait)
        wait_until(lambda: find_shares(edge, addresses) == expected, "the edge's new balance")
    return time.monotonic() - start


def find_shares(edge: Container, addresses: dict[str, str]) -> dict[str, Fraction]:
    """Return each instance's share by its weight in the edge's Envoy; none while an instance is unhealthy there."""
    clusters = ask_envoy(edge, "/clusters?format=json")["cluster_statuses"]
    hosts: list[Any] = next((one.get("host_statuses", []) for one in clusters if one["name"] == SERVICE), [])
    if any(host["health_status"] != {"eds_health_status": "HEALTHY"} for host in hosts):
        return {}
    found = {host["address"]["socket_address"]["address"]: host["weight"] for host in hosts}
    return {addresses.get(ip, ip): Fraction(weight, sum(found.values())) for ip, weight in found.items()}
