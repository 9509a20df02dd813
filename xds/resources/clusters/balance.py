"""A Cluster's load balancing: the policy, the policy's options, and slow start."""

from google.protobuf.message import Message

from xds.catalog.model.balance import Balance, Balancing, LeastRequest, Maglev, RingHash
from xds.catalog.model.locality import ZoneAware
from xds.catalog.model.reported_load import ClientSideWeighted, LoadAwareLocality
from xds.catalog.model.service import Service
from xds.catalog.model.slow_start import SlowStart
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
    Balance.LEAST_REQUEST: Cluster.LbPolicy.LEAST_REQUEST,  # of two random endpoints by default
    Balance.RING_HASH: Cluster.LbPolicy.RING_HASH,  # with 1,024 entries at least by default
    Balance.MAGLEV: Cluster.LbPolicy.MAGLEV,  # with 65,537 entries by default
}
"""The policies for which Envoy has a value of `lb_policy`; newer ones are in `load_balancing_policy`.

Envoy's documentation calls `lb_policy` the old form. But Envoy 1.40 converts it to the typed extensions without a
warning, both forms have all the options that xds sets, and it takes one byte, where the other takes a hundred.
"""

CLIENT_SIDE_WEIGHTED = "envoy.load_balancing_policies.client_side_weighted_round_robin"
LOAD_AWARE_LOCALITY = "envoy.load_balancing_policies.load_aware_locality"
ROUND_ROBIN = "envoy.load_balancing_policies.round_robin"


def set_policy(cluster: Cluster, balancing: Balancing, slow_start: SlowStart | None) -> None:
    """Set a Cluster's load balancing policy; `slow_start` has to be None for a policy without slow start."""
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


def build_client_side_weighted(options: ClientSideWeighted, slow_start: SlowStart | None = None) -> LoadBalancingPolicy:
    """Build the policy with weights from the load that endpoints report in responses, without Envoy's defaults."""
    defaults = ClientSideWeighted()
    policy = ClientSideWeightedRoundRobin(metric_names_for_computing_utilization=options.metric_names)
    if options.blackout_period != defaults.blackout_period:
        policy.blackout_period.FromTimedelta(options.blackout_period)
    if options.weight_expiration_period != defaults.weight_expiration_period:
        policy.weight_expiration_period.FromTimedelta(options.weight_expiration_period)
    if options.weight_update_period != defaults.weight_update_period:
        policy.weight_update_period.FromTimedelta(options.weight_update_period)
    if options.error_utilization_penalty != defaults.error_utilization_penalty:
        policy.error_utilization_penalty.value = options.error_utilization_penalty
    if slow_start is not None:
        # SlowStartConfig has the same fields as Cluster.SlowStartConfig.
        policy.slow_start_config.CopyFrom(SlowStartConfig.FromString(encode(_build_slow_start(slow_start))))
    if options.oob_reporting_period is not None:
        policy.enable_oob_load_report.value = True
        policy.oob_reporting_period.FromTimedelta(options.oob_reporting_period)
    return _wrap_policy(CLIENT_SIDE_WEIGHTED, policy)


def _build_load_aware_locality(options: LoadAwareLocality) -> LoadBalancingPolicy:
    """Build the policy that balances localities by reported load, with round robin inside each locality.

    An Envoy takes the first policy that it knows. The second is for those before 1.39, which would refuse the cluster.
    """
    policy = LoadAwareLocalityPolicy(
        endpoint_picking_policy=build_round_robin(),
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
    wrapped = _wrap_policy(LOAD_AWARE_LOCALITY, policy)
    wrapped.policies.extend(build_round_robin().policies)
    return wrapped


def build_round_robin() -> LoadBalancingPolicy:
    """Build the policy that takes endpoints in turn, which every client knows."""
    return _wrap_policy(ROUND_ROBIN, RoundRobin())


def _wrap_policy(name: str, policy: Message) -> LoadBalancingPolicy:
    extension = TypedExtensionConfig(name=name, typed_config=pack(policy))
    return LoadBalancingPolicy(policies=[LoadBalancingPolicy.Policy(typed_extension_config=extension)])


def _build_least_request(options: LeastRequest, slow_start: SlowStart | None) -> Cluster.LeastRequestLbConfig | None:
    """Build the options that differ from Envoy's defaults; None if there are none."""
    if options == LeastRequest() and slow_start is None:
        return None
    config = Cluster.LeastRequestLbConfig()
    if options.choices != LeastRequest().choices:
        config.choice_count.value = options.choices
    if options.active_request_bias is not None:
        config.active_request_bias.CopyFrom(
            _build_runtime_double("least_request.active_request_bias", options.active_request_bias)
        )
    if slow_start is not None:
        config.slow_start_config.CopyFrom(_build_slow_start(slow_start))
    return config


def build_ring_hash(options: RingHash) -> Cluster.RingHashLbConfig | None:
    """Build the options that differ from Envoy's defaults; None if there are none."""
    if options == RingHash():
        return None
    return Cluster.RingHashLbConfig(
        minimum_ring_size=uint64(options.minimum_ring_size), maximum_ring_size=uint64(options.maximum_ring_size)
    )


def _build_slow_start(options: SlowStart) -> Cluster.SlowStartConfig:
    config = Cluster.SlowStartConfig(slow_start_window=options.window)
    if options.aggression is not None:
        config.aggression.CopyFrom(_build_runtime_double("slow_start.aggression", options.aggression))
    if options.min_weight_percent is not None:
        config.min_weight_percent.value = options.min_weight_percent
    return config


def _build_runtime_double(name: str, value: float) -> RuntimeDouble:
    """Build a number with the runtime key that Envoy requires; xds does not use the key."""
    return RuntimeDouble(default_value=value, runtime_key=f"xds.{name}")


Spread = ZoneAware | bool | None
"""How a cluster balances its localities.

They are balanced zone-aware, by weights (True), or as one list of endpoints (False). For None nothing is set.
"""


def find_spread(service: Service, endpoints: EndpointSet) -> Spread:
    """Return how a service's callers balance its localities.

    An Envoy with a local cluster is zone-aware for every cluster that does not turn it off. A cluster without any
    locality does not need to turn it off. The policies that follow reported load have no such setting.
    """
    locality = service.locality
    if service.balance.follows_load:
        return None  # Envoy rejects the field, even if it is empty
    if locality.weights is not None:
        return True
    if locality.zone_aware is not None:
        return locality.zone_aware
    return False if endpoints.located else None


def complete_lb_config(config: Cluster.CommonLbConfig, spread: Spread, panic_threshold: int | None) -> None:
    """Set in a cluster's CommonLbConfig how localities are balanced, and the panic threshold."""
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
