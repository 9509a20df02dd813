"""A Cluster's balance: its policy, the policy's own words, and slow start."""

from envoy_data_plane.envoy.config.cluster.v3 import (
    Cluster,
    ClusterCommonLbConfig,
    ClusterCommonLbConfigLocalityWeightedLbConfig,
    ClusterCommonLbConfigZoneAwareLbConfig,
    ClusterLbPolicy,
    ClusterLeastRequestLbConfig,
    ClusterMaglevLbConfig,
    ClusterRingHashLbConfig,
    ClusterRoundRobinLbConfig,
    ClusterSlowStartConfig,
    LoadBalancingPolicy,
    LoadBalancingPolicyPolicy,
)
from envoy_data_plane.envoy.config.core.v3 import RuntimeDouble, TypedExtensionConfig
from envoy_data_plane.envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3 import (
    ClientSideWeightedRoundRobin,
)
from envoy_data_plane.envoy.extensions.load_balancing_policies.common.v3 import SlowStartConfig
from envoy_data_plane.envoy.type.v3 import Percent
from envoy_data_plane.google.protobuf import Any

from xds.catalog.model.balance import Balance, Balancing, ClientSideWeighted, LeastRequest, Maglev, RingHash, SlowStart
from xds.catalog.model.locality import ZoneAware
from xds.catalog.model.service import Service
from xds.endpoints.endpoint_set import EndpointSet

LB_POLICIES = {
    Balance.ROUND_ROBIN: ClusterLbPolicy.ROUND_ROBIN,
    Balance.RANDOM: ClusterLbPolicy.RANDOM,
    Balance.WEIGHTED: ClusterLbPolicy.ROUND_ROBIN,  # with each endpoint's load_balancing_weight
    Balance.LEAST_REQUEST: ClusterLbPolicy.LEAST_REQUEST,  # of two endpoints drawn by chance
    Balance.RING_HASH: ClusterLbPolicy.RING_HASH,  # of 1,024 places at least
    Balance.MAGLEV: ClusterLbPolicy.MAGLEV,  # of 65,537 places
}
"""By `lb_policy` where Envoy has a word for it there. Envoy's guide calls that word the old form; but Envoy 1.40 makes
the typed extensions of it without a warning, all that we set can be said in both, and it is a byte where the other is
a hundred. The sizes are Envoy's own defaults. What is newer than that word goes by `load_balancing_policy`."""

CLIENT_SIDE_WEIGHTED = "envoy.load_balancing_policies.client_side_weighted_round_robin"


def set_policy(cluster: Cluster, balancing: Balancing, slow_start: SlowStart | None) -> None:
    """Set a Cluster's policy; the slow start is of a balance that has one, or None."""
    if balancing.client_side_weighted is not None:
        cluster.load_balancing_policy = build_client_side_weighted(balancing.client_side_weighted, slow_start)
        return
    policy = balancing.policy
    cluster.lb_policy = LB_POLICIES[policy]
    if balancing.least_request is not None:
        cluster.least_request_lb_config = _build_least_request(balancing.least_request, slow_start)
    elif balancing.ring_hash is not None:
        cluster.ring_hash_lb_config = build_ring_hash(balancing.ring_hash)
    elif balancing.maglev is not None and balancing.maglev != Maglev():
        cluster.maglev_lb_config = ClusterMaglevLbConfig(table_size=balancing.maglev.table_size)
    elif slow_start is not None:
        cluster.round_robin_lb_config = ClusterRoundRobinLbConfig(slow_start_config=_build_slow_start(slow_start))


def build_client_side_weighted(words: ClientSideWeighted, slow_start: SlowStart | None = None) -> LoadBalancingPolicy:
    """Build the policy that weighs by the load in endpoints' answers. What is Envoy's default is left out."""
    usual = ClientSideWeighted()
    given = {
        name: getattr(words, name)
        for name in (
            "blackout_period",
            "weight_expiration_period",
            "weight_update_period",
            "error_utilization_penalty",
        )
        if getattr(words, name) != getattr(usual, name)
    }
    policy = ClientSideWeightedRoundRobin(**given, metric_names_for_computing_utilization=list(words.metric_names))
    if slow_start is not None:
        config = _build_slow_start(slow_start)
        policy.slow_start_config = SlowStartConfig(
            slow_start_window=config.slow_start_window,
            aggression=config.aggression,
            min_weight_percent=config.min_weight_percent,
        )
    extension = TypedExtensionConfig(name=CLIENT_SIDE_WEIGHTED, typed_config=Any.pack(policy))
    return LoadBalancingPolicy(policies=[LoadBalancingPolicyPolicy(typed_extension_config=extension)])


def _build_least_request(words: LeastRequest, slow_start: SlowStart | None) -> ClusterLeastRequestLbConfig | None:
    """Build what differs from Envoy's defaults; None for nothing."""
    if words == LeastRequest() and slow_start is None:
        return None
    config = ClusterLeastRequestLbConfig()
    if words.choices != LeastRequest().choices:
        config.choice_count = words.choices
    if words.active_request_bias is not None:
        config.active_request_bias = _name_runtime("least_request.active_request_bias", words.active_request_bias)
    if slow_start is not None:
        config.slow_start_config = _build_slow_start(slow_start)
    return config


def build_ring_hash(words: RingHash) -> ClusterRingHashLbConfig | None:
    """Build what differs from Envoy's defaults; None for nothing."""
    if words == RingHash():
        return None
    return ClusterRingHashLbConfig(minimum_ring_size=words.minimum_ring_size, maximum_ring_size=words.maximum_ring_size)


def _build_slow_start(words: SlowStart) -> ClusterSlowStartConfig:
    config = ClusterSlowStartConfig(slow_start_window=words.window)
    if words.aggression is not None:
        config.aggression = _name_runtime("slow_start.aggression", words.aggression)
    if words.min_weight_percent is not None:
        config.min_weight_percent = Percent(value=words.min_weight_percent)
    return config


def _name_runtime(name: str, value: float) -> RuntimeDouble:
    """Give a number under the name that Envoy wants for it; nobody sets it at run time."""
    return RuntimeDouble(default_value=value, runtime_key=f"xds.{name}")


Spread = ZoneAware | bool | None
"""How a cluster shares requests among localities: zone-aware, by weights (True), not at all (False); or never asked."""


def find_spread(service: Service, endpoints: EndpointSet) -> Spread:
    """Say how a service's callers share requests among its localities; `client_side_weighted` shares among none.

    An Envoy that knows where its own kind are would be zone-aware for every cluster that does not say otherwise. Who
    has no locality anywhere need not say so.
    """
    locality = service.locality
    if service.balance.policy is Balance.CLIENT_SIDE_WEIGHTED:
        return None  # Envoy refuses the word, even with nothing in it
    if locality.weights is not None:
        return True
    if locality.zone_aware is not None:
        return locality.zone_aware
    return False if endpoints.located else None


def complete_lb_config(config: ClusterCommonLbConfig, spread: Spread, panic_threshold: int | None) -> None:
    """Write into a cluster's common part how requests are shared among localities, and when all endpoints get some."""
    if panic_threshold is not None:
        config.healthy_panic_threshold = Percent(value=panic_threshold)
    if spread is True:
        config.locality_weighted_lb_config = ClusterCommonLbConfigLocalityWeightedLbConfig()
    elif spread is False:
        config.zone_aware_lb_config = ClusterCommonLbConfigZoneAwareLbConfig(routing_enabled=Percent(value=0))
    elif spread is not None:
        config.zone_aware_lb_config = ClusterCommonLbConfigZoneAwareLbConfig(
            routing_enabled=Percent(value=spread.routing_enabled), min_cluster_size=spread.min_cluster_size
        )
