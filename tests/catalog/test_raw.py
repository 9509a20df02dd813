"""Raw fields: each value is in the encoded bytes, and replaces what xds itself sets."""

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
from xds.resources.decode import decode
from xds.resources.resource import encode_resource
from xds.wire import CLUSTER

NAMES = cast("Casing", str)
LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"


def encode_all(word: str, value: dict[str, Any]) -> bytes:
    """Encode raw fields that have no mistakes."""
    encoded = encode(TYPES[word], value, {})
    assert encoded.mistakes == []
    return b"".join(encoded.fields.values())


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
def test_decoded_fields_equal_the_written_ones(word: str, kind: Any, value: dict[str, Any]) -> None:
    """Numbers of every size, text, enums, durations, wrappers, maps, lists and metadata are kept."""
    assert kind.parse(encode_all(word, value)).to_dict(casing=NAMES) == value


def test_names_may_be_written_as_in_json_too() -> None:
    """Both ways of writing a name result in the same bytes."""
    camel = {"outlierDetection": {"consecutive5xx": 3}, "perConnectionBufferLimitBytes": 5}
    snake = {"outlier_detection": {"consecutive_5xx": 3}, "per_connection_buffer_limit_bytes": 5}
    assert encode_all("cluster", camel) == encode_all("cluster", snake)


def test_an_any_has_the_type_that_is_written() -> None:
    """The message inside is encoded with this type."""
    raw = encode_all(
        "http_connection_manager",
        {"http_filters": [{"typed_config": {"@type": LUA, "default_source_code": {"inline_string": "x"}}}]},
    )
    packed = HttpConnectionManager.parse(raw).http_filters[0].typed_config
    assert packed is not None
    assert packed.unpack() == Lua(default_source_code=DataSource(inline_string="x"))


def test_a_raw_field_wins_even_if_its_value_is_the_default() -> None:
    """Zero and false are in the bytes. Lists are extended, messages are merged. In a oneof, the last field counts."""
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
    merged = decode(encode_resource(CLUSTER, "", encode_all("cluster", before) + encode_all("cluster", raw)))
    assert merged == {
        "name": "",
        "per_connection_buffer_limit_bytes": 0,
        "outlier_detection": {"consecutive_5xx": 0, "interval": "5s"},
        "filters": [{"name": "a"}, {"name": "b"}],
        "maglev_lb_config": {},
    }


def test_http_filters_are_put_before_the_router() -> None:
    """Envoy requires that the router is last."""
    raw = parse_raw("http_connection_manager")(
        {"http_connection_manager": {"http_filters": [{"name": "a"}], "server_name": "b"}}
    )
    own = bytes(HttpConnectionManager.from_dict({"http_filters": [{"name": "router"}], "server_name": "a"}))
    merged = HttpConnectionManager.parse(raw["http_connection_manager"].join(own))
    assert [one.name for one in merged.http_filters] == ["a", "router"]
    assert merged.server_name == "b"


def test_parsed_raw_fields_are_not_parsed_again() -> None:
    """A copy of a part of the model is validated again, with fields that are parsed already."""
    raw = {"cluster": RawFields(b"", b"x", frozenset({"name"}))}
    assert parse_raw("cluster")(raw) is raw


def test_http_fields_of_a_tcp_gateway_have_a_warning() -> None:
    """Such a gateway has a listener, but no HTTP connection manager."""
    text = """
services: {db: {protocol: tcp, endpoints: ["d:1"]}}
gateways: {g: {port: 1, routes: [{to: db}], envoy: {listener: {}, http_connection_manager: {}}}}
"""
    assert check_files(a=text) == [
        'a.yaml:3:92: warning: gateways.g.envoy.http_connection_manager: has no effect: "db" is `protocol: tcp`, '
        "and a gateway to it has only a listener"
    ]


def test_envoys_types_are_imported_only_when_needed() -> None:
    """The check of a catalog without raw fields takes no time for them."""
    program = (
        "import sys; from xds.catalog.reading.fragment import parse_fragment\n"
        "from xds.sources.document import Document\n"
        "parse_fragment(Document('a', b'services: {a: {}}'))\n"
        "assert not any(name.startswith('envoy_data_plane') for name in sys.modules)\n"
        "parse_fragment(Document('a', b'services: {a: {envoy: {cluster: {}}}}'))\n"
        "assert 'envoy_data_plane.envoy.config.cluster.v3' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_null_is_allowed_only_inside_metadata() -> None:
    """A metadata value may be null; other fields may not."""
    assert encode("envoy.config.core.v3.Metadata", {"filter_metadata": {"a": {"b": None}}}, {}).mistakes == []
    [wrong] = encode("envoy.config.core.v3.Metadata", {"filter_metadata": None}, {}).mistakes
    assert wrong.message == "expected a mapping, found nothing"
    fields = encode("envoy.config.core.v3.Metadata", {"filter_metadata": {"a": {"b": None}}}, {}).fields
    assert "a" in Metadata.parse(b"".join(fields.values())).filter_metadata
