"""A `Location` is turned back by the rewritten prefix, and others stay as the service sent them."""

import asyncio
import http.client
import json
from pathlib import Path
from typing import Any

from tests.envoy_server.mesh import Mesh, answering
from xds.cli.demo.processes import free_port

ODD = "/a.b(c)%20'"
ROUTES: list[dict[str, Any]] = [
    {"prefix": "/shop/", "rewrite": {"prefix": "/", "location": True}},
    {"prefix": "/bare", "rewrite": {"prefix": "/", "location": True}},
    {"prefix": "/api", "rewrite": {"prefix": "/v1.0", "location": True}},
    {"prefix": ODD, "rewrite": {"prefix": "/odd)%'", "location": True}},
    {"prefix": "/renamed/", "rewrite": {"prefix": "/", "host": "inside.example.com", "location": True}},
    {"prefix": "/plain/", "rewrite": {"prefix": "/"}},
    {"prefix": "/", "rewrite": {"prefix": "/root", "location": True}},
]

TURNED = {
    ("/shop/x", "/cart"): "/shop/cart",
    ("/shop/x", "/cart?a=b%20c#d"): "/shop/cart?a=b%20c#d",
    ("/shop/x", "/"): "/shop/",
    ("/shop/x", "http://HOST/cart"): "/shop/cart",
    ("/shop/x", "https://HOST/cart"): "/shop/cart",
    ("/shop/x", "http://HOST"): "/shop",
    ("/bare/x", "/cart"): "/bare/cart",
    ("/api/x", "/v1.0/users/1"): "/api/users/1",
    ("/api/x", "/v1.0"): "/api",
    (f"{ODD}/x", "/odd)%'/y"): f"{ODD}/y",
    ("/renamed/x", "http://inside.example.com/cart"): "/renamed/cart",
    ("/else", "/root/cart"): "/cart",
}

LEFT = {
    ("/shop/x", "cart"),
    ("/shop/x", "?page=2"),
    ("/shop/x", "//HOST/cart"),
    ("/shop/x", "https://pay.example.com/cart"),
    ("/shop/x", "https://HOST.example.com/cart"),
    ("/shop/x", "mailto:a@example.com"),
    ("/api/x", "/v1x0/users"),
    ("/api/x", "/v1.0users"),
    ("/api/x", "/login"),
    ("/plain/x", "/cart"),
    ("/else", "/root"),
    ("/else", "/root//evil.example.com"),
    ("/else", "/root/\\evil.example.com"),
}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Redirect to the `x-location` of the request; without one, answer without a Location."""
    headers = {}
    while line := (await reader.readline()).decode().strip():
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    location = f"location: {headers['x-location']}\r\n" if "x-location" in headers else ""
    writer.write(f"HTTP/1.1 302 Found\r\n{location}connection: close\r\ncontent-length: 0\r\n\r\n".encode())
    await writer.drain()


def ask(port: int, path: str, location: str | None) -> str | None:
    """Return the Location that the client gets."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={} if location is None else {"x-location": location})
        return connection.getresponse().getheader("location")
    finally:
        connection.close()


async def test_a_location_is_turned_back_where_its_route_says_so(tmp_path: Path) -> None:
    """It is the reverse of the rewritten prefix, for paths and for URLs of the host that the service was asked for."""
    port = free_port()
    routes = [{"to": "web", **route} for route in ROUTES]
    gateway = {"address": "127.0.0.1", "port": "GATEWAY", "routes": routes}
    catalog = {"services": {"web": {"endpoints": [f"127.0.0.1:{port}"]}}, "gateways": {"edge": gateway}}
    text = json.dumps(catalog).replace('"GATEWAY"', "GATEWAY")
    async with answering(answer, "127.0.0.1", port):
        with Mesh(tmp_path, text) as mesh:
            await mesh.start_gateway()
            host = f"127.0.0.1:{mesh.gateway_port}"
            expected = {**TURNED, **{one: one[1] for one in LEFT}}
            expected = {
                (path, sent.replace("HOST", host)): got.replace("HOST", host) for (path, sent), got in expected.items()
            }
            found = {
                (path, sent): await asyncio.to_thread(ask, mesh.gateway_port, path, sent) for path, sent in expected
            }
            assert found == expected
            assert await asyncio.to_thread(ask, mesh.gateway_port, "/shop/x", None) is None
