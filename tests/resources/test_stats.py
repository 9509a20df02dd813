"""Names in Envoy's statistics have no dots, and no two of them are one."""

from hypothesis import given
from hypothesis import strategies as st

from tests.sampling import examples
from xds.resources.stats import ENVOYS_OWN, write_stat_name, write_stat_path, write_stat_prefix

PATHS = st.lists(st.sampled_from([".", "~", "%", ":", "_", "a", "/", "7E", "25", "3A"])).map("".join)


@examples(500)
@given(PATHS, PATHS)
def test_two_paths_are_two_names(one: str, other: str) -> None:
    """Envoy writes a colon as `_`; two files whose names differ in that alone have metrics of their own."""
    names = {write_stat_path(path).replace(":", "_") for path in (one, other)}
    assert len(names) == len({one, other})
    assert not any("." in name for name in names)


def test_a_path_stays_readable() -> None:
    """Only the dots of a usual path are replaced."""
    assert write_stat_path("/etc/tls/www.example.com/full_chain.pem") == "/etc/tls/www~example~com/full_chain~pem"


def test_a_gateway_has_no_prefix_of_envoys_own() -> None:
    """The metrics of a gateway called `admin` are not those of Envoy's admin interface."""
    assert {write_stat_prefix(name) for name in ENVOYS_OWN}.isdisjoint(ENVOYS_OWN)
    assert write_stat_prefix("edge.v1/127.0.0.1:80") == write_stat_name("edge.v1/127.0.0.1:80")
