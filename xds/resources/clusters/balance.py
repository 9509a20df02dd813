"""A Cluster's balance: its policy, the policy's own words, and slow start."""

from google.protobuf.message import Message

from xds.catalog.model.balance import (
    Balance,
    Balancing,
    ClientSideWeighted,
    LeastRequest,
    LoadAwareLocality,
    Maglev,
    RingHash,
    SlowStart,
)
from xds.catalog.model.locality import ZoneAware
from xds.catalog.model.service import Service
from xds.endpoints.endpoint_set import EndpointSet
from xds.wire.envoy.config_cluster_v3_pb2 import Cluster, LoadBalancingPolicy
from xds.wire.envoy.config_core_v3_pb2 import RuntimeDouble, TypedExtensionConfig
from xds.wire.envoy.extensions_load_balancing_policies_client_side_weighted_round_robin_v3_pb2 import (
    ClientSideWeightedRoundRobin,
)
from xds.wire.envoy.extensions_load_balancing_policies_common_v3_pb2 import SlowStartConfig
from xds.wire.envoy.extensions_load_balancing_policies_load_aware_locality_v3_pb2 import (
    LoadAwareLocality as LoadAwareLocalityPolicy,
)
from xds.wire.envoy.extensions_load_balancing_policies_round_robin_v3_pb2 import RoundRobin
from xds.wire.envoy.type_v3_pb2 import Percent
from xds.wire.messages import encode, pack, uint64

LB_POLICIES = {
    Balance.ROUND_ROBIN: Cluster.LbPolicy.ROUND_ROBIN,
    Balance.RANDOM: Cluster.LbPolicy.RANDOM,
    Balance.WEIGHTED: Cluster.LbPolicy.ROUND_ROBIN,  # with each endpoint's load_balancing_weight
    Balance.LEAST_REQUEST: Cluster.LbPolicy.LEAST_REQUEST,  # of two endpoints drawn by chance
    Balance.RING_HASH: Cluster.LbPolicy.RING_HASH,  # of 1,024 places at least
    Balance.MAGLEV: Cluster.LbPolicy.MAGLEV,  # of 65,537 places
}
"""By `lb_policy` where Envoy has a word for it there. Envoy's guide calls that word the old form; but Envoy 1.40 makes
the typed extensions of it without a warning, all that we set can be said in both, and it is a byte where the other is
a hundred. The sizes are Envoy's own defaults. What is newer than that word goes by `load_balancing_policy`."""

CLIENT_SIDE_WEIGHTED = "envoy.load_balancing_policies.client_side_weighted_round_robin"
LOAD_AWARE_LOCALITY = "envoy.load_balancing_policies.load_aware_locality"
ROUND_ROBIN = "envoy.load_balancing_policies.round_robin"


def set_policy(cluster: Cluster, balancing: Balancing, slow_start: SlowStart | None) -> None:
    """Set a Cluster's policy; the slow start is of a balance that has one, or None."""
    if balancing.client_side_weighted is not None:
        cluster.load_balancing_policy.CopyFrom(build_client_side_weighted(balancing.client_side_weighted, slow_start))
        return
    if balancing.load_aware_locality is not None:
        cluster.load_balancing_policy.CopyFrom(_build_load_aware_locality(balancing.load_aware_locality))
        return
    policy = balancing.policy
    cluster.lb_policy = LB_POLICIES[policy]
    if balancing.least_request is not None:
        if (least_request := _build_least_request(balancing.least_request, slow_start)) is not None:
            cluster.least_request_lb_config.CopyFrom(least_request)
    elif balancing.ring_hash is not None:
        if (ring_hash := build_ring_hash(balancing.ring_hash)) is not None:
            cluster.ring_hash_lb_config.CopyFrom(ring_hash)
    elif balancing.maglev is not None and balancing.maglev != Maglev():
        cluster.maglev_lb_config.CopyFrom(Cluster.MaglevLbConfig(table_size=uint64(balancing.maglev.table_size)))
    elif slow_start is not None:
        cluster.round_robin_lb_config.CopyFrom(
            Cluster.RoundRobinLbConfig(slow_start_config=_build_slow_start(slow_start))
        )


def build_client_side_weighted(words: ClientSideWeighted, slow_start: SlowStart | None = None) -> LoadBalancingPolicy:
    """Build the policy that weighs by the load in endpoints' answers. What is Envoy's default is left out."""
    usual = ClientSideWeighted()
    policy = ClientSideWeightedRoundRobin(metric_names_for_computing_utilization=words.metric_names)
    if words.blackout_period != usual.blackout_period:
        policy.blackout_period.FromTimedelta(words.blackout_period)
    if words.weight_expiration_period != usual.weight_expiration_period:
        policy.weight_expiration_period.FromTimedelta(words.weight_expiration_period)
    if words.weight_update_period != usual.weight_update_period:
        policy.weight_update_period.FromTimedelta(words.weight_update_period)
    if words.error_utilization_penalty != usual.error_utilization_penalty:
        policy.error_utilization_penalty.value = words.error_utilization_penalty
    if slow_start is not None:
        # Of the same fields, by another name.
        policy.slow_start_config.CopyFrom(SlowStartConfig.FromString(encode(_build_slow_start(slow_start))))
    if words.oob_reporting_period is not None:
        policy.enable_oob_load_report.value = True
        policy.oob_reporting_period.FromTimedelta(words.oob_reporting_period)
    return _wrap_policy(CLIENT_SIDE_WEIGHTED, policy)


def _build_load_aware_locality(options: LoadAwareLocality) -> LoadBalancingPolicy:
    """Build the policy that shares among localities by reported load, and inside each by turns."""
    policy = LoadAwareLocalityPolicy(
        endpoint_picking_policy=_wrap_policy(ROUND_ROBIN, RoundRobin()),
        weight_update_period=options.weight_update_period,
        weight_expiration_period=options.weight_expiration_period,
        smoothing_time_constant=options.smoothing_time_constant,
        metric_names_for_computing_utilization=options.metric_names,
        oob_reporting_period=options.oob_reporting_period,
    )
    if options.utilization_variance_threshold is not None:
        policy.utilization_variance_threshold.value = options.utilization_variance_threshold / 100
    if options.remote_probe_fraction is not None:
        policy.remote_probe_fraction.value = options.remote_probe_fraction / 100
    if options.oob_reporting_period is not None:
        policy.enable_oob_load_report.value = True
    return _wrap_policy(LOAD_AWARE_LOCALITY, policy)


def _wrap_policy(name: str, policy: Message) -> LoadBalancingPolicy:
    extension = TypedExtensionConfig(name=name, typed_config=pack(policy))
    return LoadBalancingPolicy(policies=[LoadBalancingPolicy.Policy(typed_extension_config=extension)])


def _build_least_request(words: LeastRequest, slow_start: SlowStart | None) -> Cluster.LeastRequestLbConfig | None:
    """Build what differs from Envoy's defaults; None for nothing."""
    if words == LeastRequest() and slow_start is None:
        return None
    config = Cluster.LeastRequestLbConfig()
    if words.choices != LeastRequest().choices:
        config.choice_count.value = words.choices
    if words.active_request_bias is not None:
        config.active_request_bias.CopyFrom(
            _name_runtime("least_request.active_request_bias", words.active_request_bias)
        )
    if slow_start is not None:
        config.slow_start_config.CopyFrom(_build_slow_start(slow_start))
    return config


def build_ring_hash(words: RingHash) -> Cluster.RingHashLbConfig | None:
    """Build what differs from Envoy's defaults; None for nothing."""
    if words == RingHash():
        return None
    return Cluster.RingHashLbConfig(
        minimum_ring_size=uint64(words.minimum_ring_size), maximum_ring_size=uint64(words.maximum_ring_size)
    )


def _build_slow_start(words: SlowStart) -> Cluster.SlowStartConfig:
    config = Cluster.SlowStartConfig(slow_start_window=words.window)
    if words.aggression is not None:
        config.aggression.CopyFrom(_name_runtime("slow_start.aggression", words.aggression))
    if words.min_weight_percent is not None:
        config.min_weight_percent.value = words.min_weight_percent
    return config


def _name_runtime(name: str, value: float) -> RuntimeDouble:
    """Give a number under the name that Envoy wants for it; nobody sets it at run time."""
    return RuntimeDouble(default_value=value, runtime_key=f"xds.{name}")


Spread = ZoneAware | bool | None
"""How a cluster shares requests among localities: zone-aware, by weights (True), not at all (False); or never asked."""


def find_spread(service: Service, endpoints: EndpointSet) -> Spread:
    """Say how a service's callers share requests among its localities; one that follows load shares among none.

    An Envoy that knows where its own kind are would be zone-aware for every cluster that does not say otherwise. Who
    has no locality anywhere need not say so.
    """
    locality = service.locality
    if service.balance.follows_load:
        return None  # Envoy refuses the word, even with nothing in it
    if locality.weights is not None:
        return True
    if locality.zone_aware is not None:
        return locality.zone_aware
    return False if endpoints.located else None


def complete_lb_config(config: Cluster.CommonLbConfig, spread: Spread, panic_threshold: int | None) -> None:
    """Write into a cluster's common part how requests are shared among localities, and when all endpoints get some."""
    if panic_threshold is not None:
        config.healthy_panic_threshold.value = panic_threshold
    if spread is True:
        config.locality_weighted_lb_config.CopyFrom(Cluster.CommonLbConfig.LocalityWeightedLbConfig())
    elif spread is False:
        config.zone_aware_lb_config.routing_enabled.value = 0
    elif spread is not None:
        config.zone_aware_lb_config.CopyFrom(
            Cluster.CommonLbConfig.ZoneAwareLbConfig(
                routing_enabled=Percent(value=spread.routing_enabled), min_cluster_size=uint64(spread.min_cluster_size)
            )
        )
