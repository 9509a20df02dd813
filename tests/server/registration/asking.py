"""A registry at a free loopback port in this process, and a client that sends what a test says, byte for byte."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from xds.endpoints.registrations.registrations import Rules
from xds.server.address import ListenAddress
from xds.server.descriptors import MOST
from xds.server.registration.registry import Registry
from xds.server.registration.server import RegistrationServer
from xds.server.registration.tokens import Tokens


@dataclass(frozen=True)
class Answer:
    """An answer: `body` is parsed where it is JSON."""

    status: int
    headers: http.client.HTTPMessage
    body: Any

    @property
    def index(self) -> int:
        """The index of what was asked about."""
        return int(self.headers["X-Consul-Index"])


@dataclass(frozen=True)
class Asking:
    """A running registry, and a client of it."""

    server: RegistrationServer

    @property
    def port(self) -> int:
        """Its port."""
        return self.server.address.port

    @property
    def registry(self) -> Registry:
        """What it serves."""
        return self.server.registry

    async def send(self, method: str, path: str, sent: object = None, **headers: str) -> Answer:
        """Send a request, a text as it stands and other values as JSON, and return the answer."""
        body = None if sent is None else (sent if isinstance(sent, str) else json.dumps(sent)).encode()
        return await asyncio.to_thread(self._send, method, path, body, headers)

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            text = response.read().decode()
            is_json = response.headers.get_content_type() == "application/json"
            return Answer(response.status, response.headers, json.loads(text) if is_json else text)
        finally:
            connection.close()

    async def get(self, path: str, **headers: str) -> Any:
        """Return the body of a good answer."""
        answer = await self.send("GET", path, **headers)
        assert answer.status == 200, answer.body
        return answer.body

    async def put(self, path: str, sent: object = None, **headers: str) -> str:
        """Send something, and return what is wrong with it."""
        answer = await self.send("PUT", path, sent, **headers)
        return "" if answer.status == 200 else f"{answer.status} {answer.body}"

    async def register(self, sent: object, **headers: str) -> str:
        """Register an instance, and return what is wrong with it."""
        return await self.put("/v1/agent/service/register", sent, **headers)


@asynccontextmanager
async def asking(rules: Rules | None = None, tokens: Tokens | None = None) -> AsyncIterator[Asking]:
    """Run a registry."""
    registry = Registry(rules=rules)
    server = RegistrationServer(ListenAddress("127.0.0.1", 0), registry, tokens, MOST)
    await server.start()
    keeping = asyncio.create_task(registry.keep_time())
    try:
        yield Asking(server)
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
        await server.stop()
