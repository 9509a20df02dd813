"""A client for the admin port of a running Envoy: its configuration, hosts and counters."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

Json = Any
"""A document as `json.loads` returns it, in the shape of Envoy's protos."""

UNHEALTHY_FLAGS = (
    "failed_active_health_check",
    "failed_outlier_check",
    "pending_active_hc",
    "failed_active_degraded_check",
)


def http_get(address: str, path: str, seconds: float = 2.0) -> tuple[int, str]:
    """Return the status and the body of `http://host:port/path`, without a proxy. Raises OSError without an answer."""
    connection = http.client.HTTPConnection(address, timeout=seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except http.client.HTTPException as error:
        raise ConnectionError(f"{address}{path}: {error!r}") from error
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Host:
    """One endpoint of a cluster, as Envoy balances over it now."""

    address: str
    weight: int
    healthy: bool


@dataclass(frozen=True, slots=True)
class EnvoyAdmin:
    """An Envoy's admin interface at `address` (`host:port`)."""

    address: str

    def get(self, path: str) -> str:
        """Return the text at a path. Raises OSError if Envoy does not answer, or answers another status than 200."""
        status, body = http_get(self.address, path)
        if status != 200:
            raise OSError(f"http://{self.address}{path} answered {status}: {body.strip()[:200]}")
        return body

    def is_ready(self) -> bool:
        """Whether Envoy has finished its start, and has its first clusters and listeners."""
        try:
            return self.get("/ready").strip() == "LIVE"
        except OSError:
            return False

    def config_dump(self, resource: str = "") -> Json:
        """Return the whole configuration with its endpoints, or one field of it, such as `dynamic_active_clusters`."""
        only = f"&resource={quote(resource)}" if resource else ""
        return json.loads(self.get(f"/config_dump?include_eds{only}"))

    def stats(self, pattern: str = "") -> dict[str, int]:
        """Return the counters and gauges whose names match the regular expression, without histograms."""
        stats = json.loads(self.get(f"/stats?format=json&filter={quote(pattern)}"))["stats"]
        return {stat["name"]: stat["value"] for stat in stats if "name" in stat}

    def listeners(self) -> dict[str, str]:
        """Return the address (`host:port`) of each open listener, by name."""
        return {
            listener["name"]: socket_address(listener["local_address"])
            for listener in json.loads(self.get("/listeners?format=json")).get("listener_statuses", [])
        }

    def hosts(self, cluster: str) -> dict[str, Host]:
        """Return the hosts of a cluster by address; none if Envoy does not use that cluster (yet)."""
        return {
            host.address: host
            for status in json.loads(self.get("/clusters?format=json")).get("cluster_statuses", [])
            if status["name"] == cluster
            for host in _hosts(status)
        }

    def cluster(self, name: str) -> Json:
        """Return the active cluster with that name as Envoy received it; None if there is none or it is warming."""
        for entry in self.config_dump("dynamic_active_clusters").get("configs", []):
            if entry["cluster"]["name"] == name:
                return entry["cluster"]
        return None


def socket_address(address: Json) -> str:
    """Return Envoy's `Address` as `host:port`."""
    return f"{address['socket_address']['address']}:{address['socket_address']['port_value']}"


def balancing_policy(cluster: Json) -> str:
    """Return a cluster's load balancing policy as a value of `lb_policy`, from either of Envoy's fields for it.

    For example `RANDOM`, or `ROUND_ROBIN`, which is Envoy's default.
    """
    for policy in cluster.get("load_balancing_policy", {}).get("policies", []):
        kind = str(policy["typed_extension_config"]["typed_config"]["@type"]).rsplit(".", 1)[-1]
        return {"RoundRobin": "ROUND_ROBIN", "Random": "RANDOM", "LeastRequest": "LEAST_REQUEST"}.get(kind, kind)
    return str(cluster.get("lb_policy", "ROUND_ROBIN"))


def _hosts(status: Json) -> Iterator[Host]:
    for host in status.get("host_statuses", []):
        health = host.get("health_status", {})
        ejected = any(health.get(flag) for flag in UNHEALTHY_FLAGS) or health.get("eds_health_status") != "HEALTHY"
        yield Host(socket_address(host["address"]), int(host.get("weight", 1)), not ejected)
