"""Decoding resources: the fast decoder returns the same fields as envoy-data-plane's classes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from envoy_data_plane.envoy.config.cluster.v3 import Cluster as EnvoyCluster
from envoy_data_plane.envoy.config.cluster.v3 import ClusterTransportSocketMatch
from envoy_data_plane.envoy.config.core.v3 import DataSource
from envoy_data_plane.envoy.config.route.v3 import Route as EnvoyRoute
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import Secret, TlsCertificate
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import HttpProtocolOptions as EnvoyHttpOptions
from envoy_data_plane.google.protobuf import Any as AnyMessage

from tests.catalog.catalogs import build
from tests.inventories import build_inventory
from tests.resources import golden
from tests.resources.golden import CATALOGS, read_catalog
from xds.catalog.raw.types import find_type
from xds.resources.decode import REDACTED, decode
from xds.resources.resource import encode_resource
from xds.resources.view import NodeKind, build_view
from xds.snapshot.building import build_snapshot
from xds.wire import CLUSTER, LISTENER, ROUTE_CONFIGURATION, SECRET
from xds.wire.envoy.config_cluster_v3_pb2 import Cluster, OutlierDetection
from xds.wire.envoy.extensions_upstreams_http_v3_pb2 import HttpProtocolOptions
from xds.wire.messages import encode, pack, uint32, uint64
from xds.wire.varint import encode_field

WIDE = re.compile(r'("(?:minimum_ring_size|maximum_ring_size|min_cluster_size|table_size)": )(\d+)')


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parent.name)
def test_decode_returns_what_envoy_data_planes_classes_return(path: Path) -> None:
    """Every resource of every golden catalog is decoded as envoy-data-plane's classes decode it.

    There are three exceptions, where the library is wrong: the name of one field, wrapped 64-bit numbers, and the type
    of an empty google.protobuf.Any. In protobuf's JSON these numbers are strings, and so they are in Envoy's; an Any
    without a type has no `@type`.
    """
    catalog = read_catalog(path)
    inventory = build_inventory(catalog)
    seen = set[tuple[str, bytes]]()  # the classes are slow, and many nodes receive the same resources
    for name in [*catalog.gateways, *catalog.services]:
        for grpc in (False, True):
            snapshot = build_snapshot(build_view(inventory, NodeKind(name, grpc)), inventory)
            for type_url, of_type in snapshot.types.items():
                for resource in of_type.resources.values():
                    if (type_url, resource.body) in seen:
                        continue
                    seen.add((type_url, resource.body))
                    text = json.dumps(golden.decode(resource)).replace("consecutive_5_xx", "consecutive_5xx")
                    text = text.replace('{"@type": ""}', "{}")
                    assert decode(resource) == json.loads(WIDE.sub(r'\1"\2"', text))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            [{"route": {"cluster": "api", "timeout": "3s"}}, {"route": {"internal_redirect_policy": {}}}],
            {"route": {"cluster": "api", "timeout": "3s", "internal_redirect_policy": {}}},
        ),
        (
            [{"match": {"prefix": "/"}}, {"match": {"path_separated_prefix": "/a", "tls_context": {}}}],
            {"match": {"path_separated_prefix": "/a", "tls_context": {}}},
        ),
        (
            [{"redirect": {"host_redirect": "a"}}, {"route": {"cluster": "a"}}, {"redirect": {"path_redirect": "/b"}}],
            {"redirect": {"path_redirect": "/b"}},
        ),
        (
            [{"redirect": {"path_redirect": "/a"}}, {"redirect": {"strip_query": True}}],
            {"redirect": {"path_redirect": "/a", "strip_query": True}},
        ),
    ],
    ids=["unknown field", "oneof", "oneof between", "known fields"],
)
def test_the_parts_of_a_message_merge(parts: list[dict[str, Any]], expected: object) -> None:
    """As protobuf merges them: the catalog's own, and raw fields with and without some that xds never writes."""
    route = b"".join(bytes(EnvoyRoute.from_dict(part)) for part in parts)
    body = encode_field(2, encode_field(3, route))  # in lists of messages
    [decoded] = decode(encode_resource(ROUTE_CONFIGURATION, "a", body))["virtual_hosts"][0]["routes"]
    assert decoded == expected


def test_the_parts_of_a_packed_message_in_a_map_merge() -> None:
    """A map's values, and what is packed in a google.protobuf.Any, have parts too."""
    parts = [
        {"common_http_protocol_options": {"idle_timeout": "60s"}},
        {"common_http_protocol_options": {"max_stream_duration": "5s"}, "upstream_http_protocol_options": {}},
    ]
    packed = b"".join(bytes(EnvoyHttpOptions.from_dict(part)) for part in parts)
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    find_type(options)
    cluster = EnvoyCluster(
        typed_extension_protocol_options={"http": AnyMessage(type_url=f"type.googleapis.com/{options}", value=packed)}
    )
    [decoded] = decode(encode_resource(CLUSTER, "web", bytes(cluster)))["typed_extension_protocol_options"].values()
    assert decoded["common_http_protocol_options"] == {"idle_timeout": "60s", "max_stream_duration": "5s"}
    assert decoded["upstream_http_protocol_options"] == {}


def test_a_message_with_fields_that_xds_never_writes_is_decoded_the_same_way() -> None:
    """For such a message envoy-data-plane's classes decode; the fields that both decoders know have the same values."""
    cluster = Cluster(
        name="web",
        outlier_detection=OutlierDetection(consecutive_5xx=uint32(7)),
        ring_hash_lb_config=Cluster.RingHashLbConfig(minimum_ring_size=uint64(4096)),
        typed_extension_protocol_options={"http": pack(HttpProtocolOptions())},
    )
    known = decode(encode_resource(CLUSTER, "web", encode(cluster)))
    assert known["ring_hash_lb_config"] == {"minimum_ring_size": "4096"}
    matches = bytes(EnvoyCluster(transport_socket_matches=[ClusterTransportSocketMatch(name="plain")]))
    both = decode(encode_resource(CLUSTER, "web", encode(cluster) + matches))
    assert both.pop("transport_socket_matches") == [{"name": "plain"}]
    assert both == known


def test_two_clusters_with_equal_fields_keep_their_own_names() -> None:
    """The fields are decoded once for both clusters; each cluster has its own name."""
    policy = b"\x30\x03"  # lb_policy: RANDOM
    for name in ("api", "users"):
        resource = encode_resource(CLUSTER, name, b"\x0a" + bytes([len(name)]) + name.encode() + policy)
        assert decode(resource) == {"name": name, "lb_policy": "RANDOM"}


def test_a_private_key_is_redacted() -> None:
    """Decoding shows the secret's name and its certificate, but not its private key."""
    key, chain = DataSource(inline_string="the key"), DataSource(inline_string="the chain")
    secret = Secret(name="web", tls_certificate=TlsCertificate(certificate_chain=chain, private_key=key))
    decoded = decode(encode_resource(SECRET, "web", bytes(secret)))
    assert decoded["tls_certificate"] == {
        "certificate_chain": {"inline_string": "the chain"},
        "private_key": REDACTED,
    }


def test_a_typed_struct_is_decoded() -> None:
    """The type is not one of envoy-data-plane's, and the type inside need not be known."""
    inner = {"type_url": "envoy.extensions.filters.http.golang.v3alpha.Config", "value": {"a": [1.0, None, True]}}
    typed = {"@type": "type.googleapis.com/xds.type.v3.TypedStruct", **inner}
    envoy = {"http_connection_manager": {"http_filters": [{"name": "go", "typed_config": typed}]}}
    gateway = {"port": 1, "routes": [{"to": "api"}], "envoy": envoy}
    inventory = build_inventory(
        build(json.dumps({"services": {"api": {"endpoints": ["1.1.1.1:1"]}}, "gateways": {"edge": gateway}}))
    )
    listener = decode(build_view(inventory, NodeKind("edge")).build_own(inventory)[LISTENER]["edge"])
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    assert manager["http_filters"][0] == {"name": "go", "typed_config": typed}
