"""Names in Envoy's statistics: what of a service's, gateway's or listener's name Envoy writes into metrics."""

DOT, COLON = "~", "_"
"""What stands for a dot and for a colon.

No name in a catalog has a `~`, and compose/prometheus turns it back into a dot. Colons are in the names of listeners
alone, `edge/127.0.0.1:8080`, and Envoy itself writes most of them so.
"""

ENVOYS_OWN = frozenset({"admin", "async-client"})
"""The prefixes of Envoy's admin interface, and of the requests that Envoy itself makes."""


def write_stat_name(name: str) -> str:
    """Return a name as it stands in Envoy's statistics.

    Envoy separates the parts of a statistic by dots, and takes a name out of it up to the first dot. The rest of the
    name would become a part of the metric's name: `envoy_cluster_v1_upstream_rq_total{envoy_cluster_name="orders"}`.
    """
    return name.replace(".", DOT).replace(":", COLON)


def write_stat_prefix(listener: str) -> str:
    """Return a listener's name as the prefix of its statistics: none that Envoy uses for something else."""
    return f"gateway/{listener}" if listener in ENVOYS_OWN else write_stat_name(listener)


def write_stat_path(path: str) -> str:
    """Return a file's path as it stands in Envoy's statistics: no two paths become one.

    A path may have a `~` of its own, and a colon that has to differ from `_`: both are percent-encoded.
    """
    return write_stat_name(path.replace("%", "%25").replace("~", "%7E").replace(":", "%3A"))
