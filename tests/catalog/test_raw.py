"""Raw fields: whatever is said comes out of the bytes again, and wins over what was said before."""

import subprocess
import sys
from typing import Any, cast

import pytest
from betterproto2 import Casing
from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.core.v3 import DataSource, Metadata
from envoy_data_plane.envoy.config.listener.v3 import Listener
from envoy_data_plane.envoy.config.route.v3 import Route
from envoy_data_plane.envoy.extensions.filters.http.lua.v3 import Lua
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpConnectionManager

from tests.catalog.catalogs import check_files
from xds.catalog.raw.encode import encode
from xds.catalog.raw.fields import TYPES, RawFields, parse_raw
from xds.resources.merging import merge_fields

NAMES = cast("Casing", str)
LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"


def encode_all(word: str, value: dict[str, Any]) -> bytes:
    """Encode raw fields that have no mistakes."""
    fields, wrong = encode(TYPES[word], value, {})
    assert wrong == []
    return b"".join(fields.values())


@pytest.mark.parametrize(
    ("word", "kind", "value"),
    [
        ("cluster", Cluster, {"connect_timeout": "1.500s", "lb_policy": "RANDOM", "alt_stat_name": "é"}),
        ("cluster", Cluster, {"outlier_detection": {"consecutive_5xx": 3, "base_ejection_time": "90s"}}),
        ("cluster", Cluster, {"ring_hash_lb_config": {"minimum_ring_size": 5000000000}}),
        ("cluster", Cluster, {"common_lb_config": {"healthy_panic_threshold": {"value": 12.5}}}),
        ("cluster", Cluster, {"metadata": {"filter_metadata": {"a": {"b": [1.0, True, "c", {"d": "e"}]}}}}),
        ("cluster", Cluster, {"upstream_bind_config": {"socket_options": [{"level": "-5", "buf_value": "AAE="}]}}),
        ("listener", Listener, {"socket_options": [{"level": "1", "int_value": "-2", "state": "STATE_BOUND"}]}),
        ("listener", Listener, {"filter_chains": [{"filters": [{"name": "a"}, {"name": "b"}]}]}),
        ("route", Route, {"route": {"timeout": "0.250s", "priority": "HIGH"}, "decorator": {"operation": "a"}}),
        ("http_connection_manager", HttpConnectionManager, {"http_filters": [{"name": "x", "is_optional": True}]}),
    ],
)
def test_fields_come_out_as_they_went_in(word: str, kind: Any, value: dict[str, Any]) -> None:
    """Numbers of every size, text, enums, durations, wrappers, maps, lists and metadata."""
    assert kind.parse(encode_all(word, value)).to_dict(casing=NAMES) == value


def test_names_as_json_writes_them() -> None:
    """Both ways of writing a name give the same bytes."""
    camel = {"outlierDetection": {"consecutive5xx": 3}, "perConnectionBufferLimitBytes": 5}
    snake = {"outlier_detection": {"consecutive_5xx": 3}, "per_connection_buffer_limit_bytes": 5}
    assert encode_all("cluster", camel) == encode_all("cluster", snake)


def test_a_typed_message_inside() -> None:
    """An Any has the type that it says."""
    raw = encode_all(
        "http_connection_manager",
        {"http_filters": [{"typed_config": {"@type": LUA, "default_source_code": {"inline_string": "x"}}}]},
    )
    packed = HttpConnectionManager.parse(raw).http_filters[0].typed_config
    assert packed is not None
    assert packed.unpack() == Lua(default_source_code=DataSource(inline_string="x"))


def test_what_is_said_wins_even_where_it_is_the_default() -> None:
    """Zero and false are in the bytes; lists grow; messages merge; of a oneof the last counts."""
    before = {
        "per_connection_buffer_limit_bytes": 5,
        "outlier_detection": {"consecutive_5xx": 3, "interval": "5s"},
        "respect_dns_ttl": True,
        "filters": [{"name": "a"}],
        "ring_hash_lb_config": {},
        "lb_policy": "RANDOM",
    }
    raw = {
        "per_connection_buffer_limit_bytes": 0,
        "outlier_detection": {"consecutive_5xx": 0},
        "respect_dns_ttl": False,
        "filters": [{"name": "b"}],
        "maglev_lb_config": {},
        "lb_policy": "ROUND_ROBIN",
    }
    merged = merge_fields(Cluster, encode_all("cluster", before) + encode_all("cluster", raw))
    assert Cluster.parse(merged).to_dict(casing=NAMES) == {
        "per_connection_buffer_limit_bytes": 0,
        "outlier_detection": {"consecutive_5xx": 0, "interval": "5s"},
        "filters": [{"name": "a"}, {"name": "b"}],
        "maglev_lb_config": {},
    }


def test_filters_go_before_the_last() -> None:
    """Envoy wants the router last."""
    raw = parse_raw("http_connection_manager")(
        {"http_connection_manager": {"http_filters": [{"name": "a"}], "server_name": "b"}}
    )
    own = bytes(HttpConnectionManager.from_dict({"http_filters": [{"name": "router"}], "server_name": "a"}))
    merged = HttpConnectionManager.parse(raw["http_connection_manager"].join(own))
    assert [one.name for one in merged.http_filters] == ["a", "router"]
    assert merged.server_name == "b"


def test_what_was_parsed_is_taken_as_it_is() -> None:
    """Whoever copies a part of the model has it validated again."""
    raw = {"cluster": RawFields(b"", b"x", frozenset({"name"}))}
    assert parse_raw("cluster")(raw) is raw


def test_raw_fields_that_a_gateway_for_connections_has_not() -> None:
    """It has a listener, and no requests."""
    text = """
services: {db: {protocol: tcp, endpoints: ["d:1"]}}
gateways: {g: {port: 1, routes: [{to: db}], envoy: {listener: {}, http_connection_manager: {}}}}
"""
    assert check_files(a=text) == [
        'a.yaml:3:92: warning: gateways.g.envoy.http_connection_manager: has no effect: "db" is `protocol: tcp`, '
        "and a gateway to it has only a listener"
    ]


def test_types_are_imported_when_they_are_wanted() -> None:
    """A check of a catalog without raw fields does not pay for Envoy's."""
    program = (
        "import sys; from xds.catalog.reading.fragment import parse_fragment\n"
        "from xds.sources.document import Document\n"
        "parse_fragment(Document('a', b'services: {a: {}}'))\n"
        "assert not any(name.startswith('envoy_data_plane') for name in sys.modules)\n"
        "parse_fragment(Document('a', b'services: {a: {envoy: {cluster: {}}}}'))\n"
        "assert 'envoy_data_plane.envoy.config.cluster.v3' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_metadata_of_nothing() -> None:
    """Null is a value of metadata alone."""
    assert encode("envoy.config.core.v3.Metadata", {"filter_metadata": {"a": {"b": None}}}, {})[1] == []
    [wrong] = encode("envoy.config.core.v3.Metadata", {"filter_metadata": None}, {})[1]
    assert wrong.message == "expected a mapping, found nothing"
    fields, _ = encode("envoy.config.core.v3.Metadata", {"filter_metadata": {"a": {"b": None}}}, {})
    assert "a" in Metadata.parse(b"".join(fields.values())).filter_metadata
