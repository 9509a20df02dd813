"""Decoding resources: the fast decoder returns the same fields as envoy-data-plane's classes."""

import json
import re
from pathlib import Path

import pytest
from betterproto2 import Casing
from envoy_data_plane.envoy.config.cluster.v3 import Cluster as EnvoyCluster
from envoy_data_plane.envoy.config.cluster.v3 import ClusterTransportSocketMatch
from envoy_data_plane.envoy.config.core.v3 import DataSource
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import Secret, TlsCertificate
from envoy_data_plane.google.protobuf import Any as AnyMessage

from tests.inventories import build_inventory
from tests.resources.golden import CATALOGS, read_catalog
from xds.resources.decode import REDACTED, decode, import_types
from xds.resources.resource import encode_resource
from xds.resources.view import NodeKind, build_view
from xds.snapshot.store import build_snapshot
from xds.wire import CLUSTER, SECRET
from xds.wire.envoy.config_cluster_v3_pb2 import Cluster, OutlierDetection
from xds.wire.envoy.extensions_upstreams_http_v3_pb2 import HttpProtocolOptions
from xds.wire.messages import encode, pack, uint32, uint64

WIDE = re.compile(r'("(?:minimum_ring_size|maximum_ring_size|min_cluster_size|table_size)": )(\d+)')


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parent.name)
def test_decode_returns_what_envoy_data_planes_classes_return(path: Path) -> None:
    """Every resource of every golden catalog is decoded as envoy-data-plane's classes decode it.

    There are two exceptions, where the library is wrong: the name of one field, and wrapped 64-bit numbers. In
    protobuf's JSON these numbers are strings, and so they are in Envoy's.
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
                    import_types(resource.body)
                    said = json.dumps(AnyMessage.parse(resource.body).to_dict(casing=Casing.SNAKE))
                    said = said.replace("consecutive_5_xx", "consecutive_5xx")
                    expected = json.loads(WIDE.sub(r'\1"\2"', said))
                    del expected["@type"]
                    assert decode(resource) == expected


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
