"""Regular expressions: the checker takes what a real Envoy takes, and refuses what it refuses."""

import asyncio
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from xds.catalog.text.regex import MAX_LENGTH, check_pattern
from xds.cli.demo.processes import start_envoy

PATTERNS = (
    # Brackets: what stands in them is no operator.
    "/[*+]", r"/[^a-zA-Z0-9._~:/?#\[\]@!$&'()*+,;=-]+", "/[]a]", "/[^]a]", "/[a-]", "/[+-.]", "/[[.a.]]", "/[[=a=]]",
    "/[[:alpha:]]", "/[[:word:]]", "/[[:^alpha:]]", "/[[:foo:]]", "/[:alpha:]", "/[b-a]", "/[a", "/[", "/[]", r"/[\1]",
    r"/[\d\s]", r"/[\pL]", r"/[a-\d]", "/[(?=]", "/[a**]",
    # Groups.
    "/(a)", "/(?:a)", "/(?P<n>a)", "/(?<n>a)", "/(?'n'a)", "/(?P<n", "/(?P<1a>b)", "/(?P<n>a)(?P<n>b)", "/(?P=n)",
    "/(?P<>a)", "/(?P<n-m>a)", "/(a", "/a)", "/()", "/(|a)", "/a(?=b)", "/a(?!b)", "/(?<=a)b", "/(?<!a)b", "/(?>a)",
    "/(?(1)a|b)", "/(?#c)", "/(?|a)", "/(?R)", "/(?&n)", "/(?", "/(?:",
    # Flags.
    "/(?i)a", "/(?i:a)", "/(?i-s:a)", "/(?-i)a", "/(?U)a", "/(?m)^a$", "/(?x)a", "/(?a)a", "/(?L)a", "/(?u)a", "/(?i",
    # Repetition.
    "/a*", "/a*?", "/a+?", "/a??", "/a{2}", "/a{2,}", "/a{2,3}?", "/a{,3}", "/a{3,2}", "/a{1000}", "/a{1001}", "/a{",
    "/a{2}{3}", "/a**", "/a++", "/a?+", "/a*+", "/a{2}+", "*.html", "+a", "?", "/(*)", "/a|*", "/^*", "/(?:a*)*",
    "/(?:(?:a{30}){30}){30}", "/(?:a{2}){3}", "/a{0}", "/(){5}", "/{", "/}", "/a{b}",
    # Escapes.
    r"/\d\w\s\D\W\S\b\B", r"/\A/\z", r"/\Z", r"/\1", r"/(a)\1", r"/\k<n>", r"/\g1", r"/\h", r"/\R", r"/\X", r"/\K",
    r"/\G", r"/\C", r"/\Qa*+\E", r"/\Q*", r"/\E", r"/\x41", r"/\x{41}", r"/\x{110000}", r"/\xZZ", r"/\u0041",
    r"/\101", r"/\0",
    r"/\t\n\r\f\v\a", r"/\e", r"/\cA", r"/\y", r"/\_", r"/\/", r"/\-", r"/\<", r"/\pL", r"/\p{Greek}", r"/\PN", r"/\pX",
    r"/\p{Foo}", "/\\", r"/\N", r"/\N{DASH}", r"/\o{101}",
    # What else there is.
    "", "/", ".*", "^/a$", "/a$b", "/^a", "/é", "/[é-ü]", "a|b", "|", "||", "/a|", "/ ", "/#", "/a b",
    # Sizes: Envoy takes 100 steps.
    "/x{95}", "/x{96}", "/[a-z]{95}", "/[a-z]{96}", r"/\w{31}", r"/\w{32}", r"/\w{24}", "/.{12}", "/.{13}", "/.{48}",
    "/(a{30}){3}", "/(?i)[a-z]{90}", "/[^/]{48}", "/[^/]{96}", r"/\pL", r"/\p{Greek}{3}",
    "/(?:en|de|fr|it|es|pt|nl)" * 5,
)  # fmt: skip
"""Patterns of which the checker and Envoy must think alike, written for the differences between engines."""

PIECES = (
    *"ab/.*+?|()[]{}^$-,:=!<>\\#", "(?:", "(?P<", "(?=", "(?i)", "[^", "[a-z]", "[[:", ":]]", "{2}", "{2,", "{1000}",
    r"\d", r"\b", r"\p", "L", r"\x", "4", r"\Q", r"\E", "é", "i", "P",
)  # fmt: skip


def make_patterns(count: int) -> list[str]:
    """Return patterns of random pieces, always the same."""
    random = Random(7)
    return ["".join(random.choices(PIECES, k=random.randint(1, 9))) for _ in range(count)]


def make_listener(index: int, pattern: str) -> dict[str, Any]:
    """Return a listener that opens no port, at an address of its own, with a route for paths that match a pattern."""
    prefix = "type.googleapis.com/envoy.extensions.filters"
    route = {"match": {"safe_regex": {"regex": pattern}}, "direct_response": {"status": 200}}
    manager = {
        "@type": f"{prefix}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "x",
        "route_config": {"virtual_hosts": [{"name": "x", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{prefix}.http.router.v3.Router"}},
        ],
    }
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": f"l{index}",
        "address": {"socket_address": {"address": f"127.1.{index // 250}.{index % 250}", "port_value": 1}},
        "bind_to_port": False,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


async def judge(folder: Path, patterns: list[str]) -> list[bool]:
    """Return of each pattern whether an Envoy takes it: each is in a listener of its own."""
    listeners = [make_listener(index, pattern) for index, pattern in enumerate(patterns)]
    resources = folder / "listeners.json"
    resources.write_text(json.dumps({"version_info": "1", "resources": listeners}))
    source = {"path_config_source": {"path": str(resources)}, "resource_api_version": "V3"}
    bootstrap = {
        "node": {"id": "a", "cluster": "a"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "dynamic_resources": {"lds_config": source},
    }
    with start_envoy(json.dumps(bootstrap), folder, name="regexes") as envoy:
        await envoy.ready()
        found = await asyncio.to_thread(envoy.admin.get, "/config_dump?resource=dynamic_listeners")
    taken = {one["name"] for one in json.loads(found)["configs"] if "active_state" in one}
    return [f"l{index}" in taken for index in range(len(patterns))]


def takes(pattern: str) -> bool:
    """Whether the checker takes a pattern."""
    try:
        check_pattern(pattern)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("patterns", [[*PATTERNS], make_patterns(500)], ids=["written", "random"])
async def test_the_checker_takes_what_envoy_takes(tmp_path: Path, patterns: list[str]) -> None:
    """No pattern is refused for a false reason, and none is taken that Envoy answers with a NACK."""
    assert max(map(len, patterns)) < MAX_LENGTH
    verdicts = await judge(tmp_path, patterns)
    ours = [takes(pattern) for pattern in patterns]
    assert 0.1 < sum(verdicts) / len(verdicts) < 0.9
    assert [
        (p, "Envoy takes it" if v else "Envoy refuses it")
        for p, v, o in zip(patterns, verdicts, ours, strict=True)
        if v != o
    ] == []
