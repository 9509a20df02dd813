"""REST polling: `POST /v3/discovery:clusters` and one path for each other type, for Envoys that cannot stream.

Requests and responses are DiscoveryRequest and DiscoveryResponse as JSON. Resources with a `config_source` of ADS get
one of REST instead, which names the control plane's cluster as `xds bootstrap` writes it.
"""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import TypeVar

import structlog
from aiohttp import web
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any
from pydantic import JsonValue

from xds.errors import PeerError
from xds.resources.bootstrap.bootstrap import XDS_CLUSTER
from xds.resources.decode import decode
from xds.resources.resource import Resource
from xds.server.address import ListenAddress
from xds.server.descriptors import share_connections
from xds.server.http_server import HttpServer, answer_json
from xds.server.observe.client_log import describe_node
from xds.server.streams.ads import AdsServicer
from xds.session.limits import Limits
from xds.wire import SERVICES, short_type
from xds.wire.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from xds.wording import write_json

REFRESH_SECONDS = 1
"""How often an Envoy polls. Envoy adds up to half of that at random."""

MARKS = b'"[{:,'
"""What JSON's values begin with or stand between: a text has no more values than these."""

MARKS_PER_NAME = 3

OTHER_MARKS = 50_000
"""How many of them a request may have beside those of the names. The list of Envoy's extensions has most."""

ADS_CONFIG_SOURCE = {"ads": {}, "resource_api_version": "V3"}
REST_CONFIG_SOURCE: JsonValue = {
    "resource_api_version": "V3",
    "api_config_source": {
        "api_type": "REST",
        "transport_api_version": "V3",
        "cluster_names": [XDS_CLUSTER],
        "refresh_delay": f"{REFRESH_SECONDS}s",
    },
}

Result = TypeVar("Result")

log = structlog.get_logger()


class RestServer(HttpServer):
    """Answers polls at its own address."""

    def __init__(self, address: ListenAddress, ads: AdsServicer, limits: Limits) -> None:
        app = web.Application(client_max_size=limits.message_bytes)
        for word, type_url in SERVICES.values():
            app.router.add_post(f"/v3/discovery:{word.lower()}", partial(self._poll, type_url))
        hosts = frozenset({XDS_CLUSTER})  # Envoy's Host is the name of its cluster
        super().__init__(address, app, hosts, share_connections(has_rest=True).rest)
        self._ads = ads
        self._max_names = limits.names
        self._thread = ThreadPoolExecutor(1, "rest")  # JSON is slow: one at a time

    async def stop(self) -> None:
        """Stop listening, and end what is in progress."""
        await super().stop()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _poll(self, type_url: str, request: web.Request) -> web.Response:
        """Answer a poll: with 304 when its `version_info` is current, with 400 and the reason when it is not valid."""
        try:
            message = await self._run(parse_json, await request.read(), self._max_names)
            answer = self._ads.fetch(message, type_url)
        except PeerError as error:
            return answer_json({"error": str(error)}, 400)
        if message.HasField("error_detail"):
            log.error(
                "NACK", **describe_node(message.node), type=short_type(type_url), message=message.error_detail.message
            )
        if answer is None:
            return web.Response(status=304)
        return web.Response(text=await self._run(encode_answer, answer), content_type="application/json")

    async def _run(self, work: Callable[..., Result], *arguments: object) -> Result:
        """Return what a function returns that is too slow for the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *arguments))


def parse_json(data: bytes, max_names: int) -> DiscoveryRequest:
    """Parse a DiscoveryRequest from JSON, without fields that xds does not know. Raises PeerError."""
    if sum(data.count(mark) for mark in MARKS) > MARKS_PER_NAME * max_names + OTHER_MARKS:
        raise PeerError("RESOURCE_EXHAUSTED", f"more than {max_names} names in a request")
    message = DiscoveryRequest()
    try:
        fields = {**json.loads(data)}  # raises TypeError unless it is an object
        if isinstance(node := fields.get("node"), dict):  # `metadata` is an object here, but bytes in our message
            fields["node"] = {name: value for name, value in node.items() if name != "metadata"}
        json_format.ParseDict(fields, message, ignore_unknown_fields=True)
    # json_format raises different exceptions for different unexpected shapes.
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise PeerError("INVALID_ARGUMENT", f"not a DiscoveryRequest: {error}") from None
    return message


def encode_answer(answer: DiscoveryResponse) -> str:
    """Return a DiscoveryResponse as JSON."""
    resources = ",".join(map(_encode_body, answer.resources))
    head = write_json({"version_info": answer.version_info, "type_url": answer.type_url, "nonce": answer.nonce})
    return f'{head[:-1]}, "resources": [{resources}]}}'


@lru_cache(maxsize=8192)
def _encode_body(body: bytes) -> str:
    """Return one encoded google.protobuf.Any as JSON. It is cached, since most polls ask for the same resources."""
    fields = {name: _replace_config_sources(value) for name, value in decode(Resource("", "", body)).items()}
    return write_json({"@type": Any.FromString(body).type_url, **fields})


def _replace_config_sources(value: JsonValue) -> JsonValue:
    """Return the value with each `config_source` of ADS, at any depth, replaced by one of REST."""
    if value == ADS_CONFIG_SOURCE:
        return REST_CONFIG_SOURCE
    if isinstance(value, dict):
        return {name: _replace_config_sources(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_replace_config_sources(one) for one in value]
    return value
