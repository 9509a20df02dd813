"""How the edge's Envoy shares requests, and since when all of it does."""

import time
from fractions import Fraction
from typing import Any

from mesh.project import Container, ask_envoy, wait_until

SERVICE = "api-service"

MERGE_SECONDS = 0.1
"""For how long an Envoy gathers changes of health and weight before its workers, who share, hear of them.

It is `update_merge_window` of the clusters that xds serves.
"""


def wait_for_shares(edge: Container, addresses: dict[str, str], expected: dict[str, Fraction]) -> float:
    """Wait until each instance's share is as expected for every request to come; the seconds that it took.

    What Envoy's admin shows, its workers have when they are told. It answers a second time after that.
    """
    start = time.monotonic()
    for wait in (0.0, MERGE_SECONDS):
        time.sleep(wait)
        wait_until(lambda: find_shares(edge, addresses) == expected, "the edge's new balance")
    return time.monotonic() - start


def find_shares(edge: Container, addresses: dict[str, str]) -> dict[str, Fraction]:
    """Ask the edge's Envoy for each instance's share by weight; none while an instance is not well there."""
    clusters = ask_envoy(edge, "/clusters?format=json")["cluster_statuses"]
    hosts: list[Any] = next((one.get("host_statuses", []) for one in clusters if one["name"] == SERVICE), [])
    if any(host["health_status"] != {"eds_health_status": "HEALTHY"} for host in hosts):
        return {}
    found = {host["address"]["socket_address"]["address"]: host["weight"] for host in hosts}
    return {addresses.get(ip, ip): Fraction(weight, sum(found.values())) for ip, weight in found.items()}
