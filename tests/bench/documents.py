"""The catalogs of the benches: services of 10 endpoints, as one file or as a folder, and a node that asks for all."""

from xds.sources.document import Document
from xds.wire.discovery_pb2 import Node

NODE = Node(id="bench-1", cluster="bench")

STRANGERS = "mesh: {strangers: serve}\n"
"""In every catalog, since no catalog names the nodes' cluster."""
ENDPOINTS = 10


def make_documents(services: int, *, folder: bool, weight: int = 1, endpoints: int = ENDPOINTS) -> dict[str, Document]:
    """Return a catalog as one file, or as one file for each service. `weight` is that of the very first endpoint.

    Each service has this number of `endpoints`, 250 at most.
    """
    entries = {make_name(number): _entry(number, 1 if number else weight, endpoints) for number in range(services)}
    if folder:
        files = {f"{name}.yaml": _document(f"{name}.yaml", [(name, entry)]) for name, entry in entries.items()}
        return {**files, "mesh.yaml": Document("mesh.yaml", STRANGERS.encode())}
    document = _document("catalog.yaml", list(entries.items()))
    return {"catalog.yaml": Document("catalog.yaml", (document.content or b"") + STRANGERS.encode())}


def make_document(number: int, *, weight: int, endpoints: int = ENDPOINTS) -> Document:
    """Return one service's file in a folder. `weight` is that of its first endpoint."""
    name = make_name(number)
    return _document(f"{name}.yaml", [(name, _entry(number, weight, endpoints))])


def make_name(number: int) -> str:
    """Return the name of a service."""
    return f"service-{number}"


def _entry(number: int, weight: int, endpoints: int) -> str:
    address = f"10.{number // 250}.{number % 250}"
    items = "\n".join(
        f'      - {{address: "{address}.{index}:8080", weight: {index or weight}}}' for index in range(endpoints)
    )
    return f"    balance: weighted\n    health_check: {{http: /healthz}}\n    endpoints:\n{items}\n"


def _document(name: str, entries: list[tuple[str, str]]) -> Document:
    return Document(name, ("services:\n" + "".join(f"  {key}:\n{entry}" for key, entry in entries)).encode())
