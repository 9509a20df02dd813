"""Subsets: a service's subsets in its Cluster, by the endpoints' metadata, and the metadata that routes match."""

from collections.abc import Mapping
from functools import lru_cache

from google.protobuf.struct_pb2 import Struct, Value

from xds.catalog.model.route_action import split_target
from xds.catalog.model.service import Service
from xds.catalog.model.subsets import Scalar
from xds.wire.envoy.config_cluster_v3_pb2 import Cluster
from xds.wire.envoy.config_core_v3_pb2 import Metadata
from xds.wire.envoy.extensions_filters_network_tcp_proxy_v3_pb2 import TcpProxy
from xds.wire.messages import encode

LOAD_BALANCING = "envoy.lb"


def encode_subset_config(service: Service) -> bytes:
    """Encode the `lb_subset_config` of a Cluster; return no bytes for a service without subsets."""
    if not service.subsets:
        return b""
    selectors = tuple(sorted({tuple(sorted(labels)) for labels in service.subsets.values()}))
    return _encode_selectors(selectors, by_locality=service.locality.weights is not None)


@lru_cache(maxsize=4096)
def _encode_selectors(selectors: tuple[tuple[str, ...], ...], *, by_locality: bool) -> bytes:
    """Encode an `lb_subset_config` with the sets of keys that select subsets.

    A request for a subset without endpoints fails, and does not go to another subset. A request without a subset may
    go to every endpoint. With `by_locality` the weights of localities apply within each subset.
    """
    policies = Cluster.LbSubsetConfig.LbSubsetSelector.LbSubsetSelectorFallbackPolicy
    config = Cluster.LbSubsetConfig(
        fallback_policy=Cluster.LbSubsetConfig.LbSubsetFallbackPolicy.ANY_ENDPOINT,
        subset_selectors=[
            Cluster.LbSubsetConfig.LbSubsetSelector(keys=list(keys), fallback_policy=policies.NO_FALLBACK)
            for keys in selectors
        ],
        list_as_any=True,
        locality_weight_aware=by_locality,
    )
    return encode(Cluster(lb_subset_config=config))


def find_metadata(target: str, services: Mapping[str, Service]) -> Metadata | None:
    """Return the metadata of the endpoints of a target's subset; None for a target without a subset."""
    name, subset = split_target(target)
    if not subset:
        return None
    labels = {key: _build_value(value) for key, value in sorted(services[name].subsets[subset].items())}
    return Metadata(filter_metadata={LOAD_BALANCING: Struct(fields=labels)})


def encode_tcp_subset(target: str, services: Mapping[str, Service]) -> bytes:
    """Encode the `metadata_match` of a TcpProxy; return no bytes for a target without a subset."""
    metadata = find_metadata(target, services)
    return b"" if metadata is None else encode(TcpProxy(metadata_match=metadata))


def _build_value(value: Scalar) -> Value:
    if isinstance(value, bool):
        return Value(bool_value=value)
    return Value(string_value=value) if isinstance(value, str) else Value(number_value=float(value))
