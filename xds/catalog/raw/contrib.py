"""Envoy's contrib extensions, whose types envoy-data-plane does not have."""

import re

from xds.catalog.raw.types import PREFIX, TYPED_STRUCT
from xds.wording import show

CONTRIB = frozenset(
    {
        "compression.qatzip.compressor",
        "compression.qatzstd.compressor",
        "config",
        "filters.http.alpn",
        "filters.http.checksum",
        "filters.http.client_cert",
        "filters.http.dynamo",
        "filters.http.golang",
        "filters.http.istio_stats",
        "filters.http.language",
        "filters.http.peak_ewma",
        "filters.http.peer_metadata",
        "filters.http.squash",
        "filters.http.sxg",
        "filters.listener.postgres_inspector",
        "filters.network.client_ssl_auth",
        "filters.network.generic_proxy.codecs.kafka",
        "filters.network.golang",
        "filters.network.kafka_broker",
        "filters.network.kafka_mesh",
        "filters.network.metadata_exchange",
        "filters.network.mysql_proxy",
        "filters.network.peer_metadata",
        "filters.network.postgres_proxy",
        "filters.network.rocketmq_proxy",
        "filters.network.sip_proxy",
        "filters.network.sip_proxy.router",
        "filters.network.sip_proxy.tra",
        "load_balancing_policies.peak_ewma",
        "matching.input_matchers.hyperscan",
        "network.connection_balance.dlb",
        "private_key_providers.cryptomb",
        "private_key_providers.kae",
        "private_key_providers.qat",
        "regex_engines.hyperscan",
        "router.cluster_specifier.golang",
        "stat_sinks.kafka",
        "stat_sinks.wasm_filter",
        "tap_sinks.udp_sink",
        "upstreams.http.tcp.golang",
        "vcl",
    }
)
"""The packages of contrib extensions, without `envoy.extensions` and the version: Envoy's `contrib` folder has them."""

PACKAGE = re.compile(r"envoy\.extensions\.([a-z0-9_.]+)\.v\d+(?:alpha\d*)?\.\w+", re.ASCII)


def explain_contrib(name: str) -> str:
    """Return the message about the type of a contrib extension; "" for any other type."""
    matched = PACKAGE.fullmatch(name)
    if matched is None or matched[1] not in CONTRIB:
        return ""
    instead = f'{{"@type": {PREFIX}{TYPED_STRUCT}, type_url: {name}, value: {{…}}}}'
    return (
        f"{show(name)} is a contrib extension, which the official builds of Envoy do not have"
        f" (envoyproxy/envoy:contrib-… has them): for an Envoy that has it write {instead}; its `value` is not checked"
    )
