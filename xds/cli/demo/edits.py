"""The operator's hand: the demo's catalog as text, the edits made to it, and how it is saved."""

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
    """Write a catalog of one endpoint behind a gateway, both `host:port`."""
    host, _, port = gateway.rpartition(":")
    return CATALOG.format(service=SERVICE, gateway=GATEWAY, endpoint=endpoint, host=host, port=port)


def set_balance(text: str, balance: str) -> str:
    """Change how the service's requests are shared, and nothing else of the text."""
    return re.sub(r"(?m)^(    balance: )\w+", rf"\g<1>{balance}", text, count=1)


def set_endpoints(text: str, endpoints: Sequence[str], weights: Sequence[int] = ()) -> str:
    """Change the service's endpoints (`host:port` each), with a weight for each when weights are given."""
    if weights:
        items = [
            f'{{address: "{endpoint}", weight: {weight}}}' for endpoint, weight in zip(endpoints, weights, strict=True)
        ]
    else:
        items = [f'"{endpoint}"' for endpoint in endpoints]
    lines = "".join(f"      - {item}\n" for item in items)
    return re.sub(r"(?m)^(    endpoints:\n)(?:      - .*\n)+", lambda match: match[1] + lines, text, count=1)


def changed_lines(before: str, after: str) -> list[str]:
    """Give the lines that an edit took away and put in, marked `-` and `+`, without their surroundings."""
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "-+"]


def save(path: Path, text: str) -> float:
    """Replace the file in one step, as a careful editor does; the moment of the save on the monotonic clock."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text)
    moment = time.monotonic()
    draft.replace(path)
    return moment
