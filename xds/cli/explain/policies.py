"""How a Cluster chooses among its endpoints, in words."""

from xds.cli.admin_client import Json

LOAD_AWARE_LOCALITY = "LOAD_AWARE_LOCALITY"

POLICIES = {
    "ROUND_ROBIN": "round robin: each endpoint in turn, in proportion to its weight",
    "LEAST_REQUEST": "least request: of two endpoints chosen at random, the one with fewer active requests",
    "RANDOM": "random: each request goes to a random endpoint, whatever the weights",
    "RING_HASH": "ring hash: requests with the same hash go to the same endpoint; shares are for many different hashes",
    "MAGLEV": "Maglev: requests with the same hash go to the same endpoint; shares are for many different hashes",
    "CLIENT_SIDE_WEIGHTED_ROUND_ROBIN": (
        "client-side weighted round robin: by the load that endpoints report; with equal weights until they do"
    ),
    LOAD_AWARE_LOCALITY: "load-aware locality: the endpoints in Envoy's own locality, and others as load requires",
}


def describe_policy(cluster: Json) -> str:
    """Return how a Cluster chooses among its endpoints."""
    policy = find_policy(cluster)
    return POLICIES.get(policy, f"Envoy's {policy}")


def find_policy(cluster: Json) -> str:
    """Return the name of a Cluster's policy in the spelling of `lb_policy`, also if it is an extension."""
    policies = cluster.get("load_balancing_policy", {}).get("policies", [])
    if not policies:
        return str(cluster.get("lb_policy", "ROUND_ROBIN"))
    kind = policies[0]["typed_extension_config"]["typed_config"]["@type"].rpartition(".")[2]
    return "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in kind).lstrip("_")
