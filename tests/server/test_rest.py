"""REST polling over a real socket: the answers to a poll, and the refusals."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.server.serving import Serving, make_catalog, serving
from xds.server.address import ListenAddress
from xds.server.protocols.rest import RestServer
from xds.session.limits import Limits

NODE = {
    "id": "web-1",
    "cluster": "web",
    "metadata": {"xds.metrics_port": "9902", "more": [1, {"than": "text"}]},
    "user_agent_name": "envoy",
    "extensions": [{"name": "of no interest"}],
}


class Poller:
    """A client that polls."""

    def __init__(self, server: Serving, session: aiohttp.ClientSession, address: str) -> None:
        self.server = server
        self._session = session
        self._address = address

    async def poll(self, word: str, **request: Any) -> tuple[int, Any]:
        """Poll a type, and return the status and the JSON body, if there is one."""
        return await self.post(word, {"node": NODE, **request})

    async def post(self, word: str, body: Any) -> tuple[int, Any]:
        """Post a body, and return the status and the JSON body, if there is one."""
        kind = {"data": body} if isinstance(body, bytes) else {"json": body}
        async with self._session.post(f"http://{self._address}/v3/discovery:{word}", **kind) as response:
            text = await response.text()
            return response.status, await response.json(content_type=None) if text else None


@asynccontextmanager
async def polling(*services: str) -> AsyncIterator[Poller]:
    """Serve some services over REST."""
    async with serving(make_catalog(*services)) as server:
        rest = RestServer(ListenAddress("127.0.0.1", 0), server.servicer, Limits())
        await rest.start()
        try:
            async with aiohttp.ClientSession() as session:
                yield Poller(server, session, str(rest.address))
        finally:
            await rest.stop()


async def test_a_poll_without_names_gets_all_clusters_and_listeners() -> None:
    """They come as protobuf's JSON, each with its type. EDS and RDS in them use polls instead of ADS."""
    async with polling("a", "b") as client:
        status, answer = await client.poll("clusters")
        assert status == 200
        assert [resource["name"] for resource in answer["resources"]] == ["a", "b"]
        source = answer["resources"][0]["eds_cluster_config"]["eds_config"]
        assert source["api_config_source"]["api_type"] == "REST"
        assert source["api_config_source"]["cluster_names"] == ["xds_cluster"]
        status, answer = await client.poll("listeners")
        assert status == 200
        assert answer["resources"][0]["@type"] == "type.googleapis.com/envoy.config.listener.v3.Listener"
        assert '"ads"' not in str(answer)


async def test_a_poll_gets_endpoints_and_routes_by_name() -> None:
    """A name that does not exist does not withhold the others (rule 9)."""
    async with polling("a", "b") as client:
        _, answer = await client.poll("endpoints", resource_names=["b", "missing"])
        assert [resource["cluster_name"] for resource in answer["resources"]] == ["b"]
        _, answer = await client.poll("routes", resource_names=["sidecar"])
        assert [host["name"] for host in answer["resources"][0]["virtual_hosts"]] == ["a", "b"]


async def test_a_poll_with_the_current_version_is_not_modified() -> None:
    """The server honours `version_info`. It answers 304 without a body until something of the type changes."""
    async with polling("a") as client:
        _, answer = await client.poll("endpoints", resource_names=["a"])
        again = {"resource_names": ["a"], "version_info": answer["version_info"]}
        assert await client.poll("endpoints", **again) == (304, None)
        await client.server.edit(make_catalog("a", weight=2))
        status, changed = await client.poll("endpoints", **again)
        assert status == 200
        assert changed["version_info"] != answer["version_info"]


async def test_36_resources_with_a_ttl_are_sent_at_each_poll() -> None:
    """Rule 36: a 304 would let the endpoints expire although the control plane is alive."""
    async with polling("a", "b") as client:
        await client.server.edit(make_catalog("a", "b").replace("a: {", "a: {ttl: 5s, "))
        _, answer = await client.poll("endpoints", resource_names=["a"])
        assert answer["resources"][0]["policy"] == {"endpoint_stale_after": "5s"}
        again = {"resource_names": ["a"], "version_info": answer["version_info"]}
        assert await client.poll("endpoints", **again) == (200, answer)
        other = {"resource_names": ["b"], "version_info": answer["version_info"]}
        assert await client.poll("endpoints", **other) == (304, None)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\xff\x00", "not a DiscoveryRequest"),
        (b"[]", "not a DiscoveryRequest"),
        (b"", "not a DiscoveryRequest"),
        ({"node": {"cluster": "web"}}, "needs a node with an id"),
        ({"node": NODE, "type_url": "type.googleapis.com/envoy.config.listener.v3.Listener"}, "serves"),
        ({"node": "web"}, "needs a node with an id"),
        ({"node": {**NODE, "cluster": "x" * 300}}, "node.cluster has more than 256 bytes"),
        ({"node": NODE, "resource_names": ["n"] * 100_000}, "more than 20000 names in a request"),
        ({"node": NODE, "zz": [{}] * 200_000}, "more than 20000 names in a request"),
        ({"node": NODE, "zz": [[]] * 200_000}, "more than 20000 names in a request"),
        ({"node": NODE, "zz": [1] * 200_000}, "more than 20000 names in a request"),
        ({"node": NODE, "version_info": "1" * 300}, "version_info has more than 256 bytes"),
    ],
    ids=[
        "junk",
        "a list",
        "nothing",
        "no id",
        "another type",
        "a wrong shape",
        "a long cluster",
        "many names",
        "many objects",
        "many lists",
        "many numbers",
        "a long version",
    ],
)
async def test_a_poll_that_is_not_a_request_is_refused(body: Any, message: str) -> None:
    """The answer is 400 with the reason. The next valid poll gets an answer."""
    async with polling("a") as client:
        status, answer = await client.post("clusters", body)
        assert status == 400
        assert message in answer["error"]
        assert (await client.poll("clusters"))[0] == 200
