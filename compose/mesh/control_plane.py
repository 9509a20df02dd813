"""What the control plane says of its clients, at the admin address that is published on this machine."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mesh.project import MeshError, find_published

SERVICE = "control-plane"


def ask_status() -> dict[str, Any]:
    """Ask who is connected, and how it stands with each type."""
    connection = http.client.HTTPConnection(find_published(SERVICE, 18002), timeout=5)
    try:
        connection.request("GET", "/status")
        status: dict[str, Any] = json.load(connection.getresponse())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise MeshError(f"the control plane cannot be asked: {error}") from None
    finally:
        connection.close()
    return status


def list_synced() -> set[str]:
    """List the nodes that have accepted all that they are served; none while the control plane cannot be asked."""
    try:
        return {client["node_id"] for client in ask_status()["clients"] if client["state"] == "SYNCED"}
    except MeshError:
        return set()


class Accepted:
    """Whether a node has accepted another version of a type than it had when this was made."""

    def __init__(self, node_id: str, type_name: str) -> None:
        self._node_id, self._type = node_id, type_name
        self._before = self._find()

    def is_newer(self) -> bool:
        """Tell whether it has one now."""
        return self._find() not in (None, self._before)

    def _find(self) -> str | None:
        """Find the version, unless it is still on its way."""
        types = [
            one for client in ask_status()["clients"] if client["node_id"] == self._node_id for one in client["types"]
        ]
        return next(
            (one["version_info"] for one in types if one["type"] == self._type and one["state"] == "SYNCED"), None
        )


@contextmanager
def explain_refusal() -> Iterator[None]:
    """Say of an edit that has no effect that the control plane refuses it, if that is why."""
    try:
        yield
    except MeshError:
        refused = ask_status()["catalog"]["refused_files"]
        if refused:
            log = "`docker-compose logs --tail 5 control-plane` says why"
            raise MeshError(f"the control plane does not take {', '.join(refused)}: {log}") from None
        raise
