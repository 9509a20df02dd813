"""Asks the control plane's admin, which is published on this machine, about its clients."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mesh.project import MeshError, find_published

SERVICE = "control-plane"


def ask_status() -> dict[str, Any]:
    """Return the connected clients and their state for each type, as the admin's `/status`. Raises MeshError."""
    connection = http.client.HTTPConnection(find_published(SERVICE, 18002), timeout=5)
    try:
        connection.request("GET", "/status")
        status: dict[str, Any] = json.load(connection.getresponse())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise MeshError(f"the control plane does not answer: {error}") from None
    finally:
        connection.close()
    return status


def list_synced() -> set[str]:
    """Return the ids of the nodes that are SYNCED; none while the control plane does not answer."""
    try:
        return {client["node_id"] for client in ask_status()["clients"] if client["state"] == "SYNCED"}
    except MeshError:
        return set()


class Accepted:
    """Finds out whether a node has accepted another version of a type since this object was made."""

    def __init__(self, node_id: str, type_name: str) -> None:
        self._node_id, self._type = node_id, type_name
        self._before = self._find()

    def is_newer(self) -> bool:
        """Whether it has another version now."""
        return self._find() not in (None, self._before)

    def _find(self) -> str | None:
        """Return the version, or None while the node is not SYNCED."""
        types = [
            one for client in ask_status()["clients"] if client["node_id"] == self._node_id for one in client["types"]
        ]
        return next(
            (one["version_info"] for one in types if one["type"] == self._type and one["state"] == "SYNCED"), None
        )


@contextmanager
def explain_refusal() -> Iterator[None]:
    """Replace a MeshError of the block with one that names the files that the control plane refuses, if any."""
    try:
        yield
    except MeshError:
        refused = ask_status()["catalog"]["refused_files"]
        if refused:
            log = "see `docker compose logs --tail 5 control-plane`"
            raise MeshError(f"the control plane refuses {', '.join(refused)}: {log}") from None
        raise
