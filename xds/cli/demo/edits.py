"""The demo's catalog as text, the edits of it, and how it is saved."""

import difflib
import re
import time
from collections.abc import Sequence
from pathlib import Path

SERVICE = "api-service"
GATEWAY = "edge"

CATALOG = """\
# The catalog of `xds demo`. Edit it and save: the change is in effect at once.
services:
  {service}:
    # round_robin, random or weighted
    balance: round_robin
    health_check: {{http: /, interval: 1s, timeout: 500ms}}
    endpoints:
      - "{endpoint}"
gateways:
  {gateway}:
    address: {host}
    port: {port}
    routes:
      - {{prefix: /, to: {service}}}
"""


def first_catalog(endpoint: str, gateway: str) -> str:
    """Return a catalog with one endpoint and a gateway, both given as `host:port`."""
    host, _, port = gateway.rpartition(":")
    return CATALOG.format(service=SERVICE, gateway=GATEWAY, endpoint=endpoint, host=host, port=port)


def set_balance(text: str, balance: str) -> str:
    """Return the text with another `balance` for the service."""
    return re.sub(r"(?m)^(    balance: )\w+", rf"\g<1>{balance}", text, count=1)


def set_endpoints(text: str, endpoints: Sequence[str], weights: Sequence[int] = ()) -> str:
    """Return the text with other endpoints (`host:port`) for the service; with `weights`, each has a weight."""
    if weights:
        items = [
            f'{{address: "{endpoint}", weight: {weight}}}' for endpoint, weight in zip(endpoints, weights, strict=True)
        ]
    else:
        items = [f'"{endpoint}"' for endpoint in endpoints]
    lines = "".join(f"      - {item}\n" for item in items)
    return re.sub(r"(?m)^(    endpoints:\n)(?:      - .*\n)+", lambda match: match[1] + lines, text, count=1)


def changed_lines(before: str, after: str) -> list[str]:
    """Return the lines that an edit removed and added, marked `-` and `+`, without the unchanged lines."""
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "-+"]


def save(path: Path, text: str) -> float:
    """Replace the file in one step by a rename, as editors do. Return the time of the save (time.monotonic())."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text)
    moment = time.monotonic()
    draft.replace(path)
    return moment
