"""A mesh whose control plane can be asked what it serves, and whose Envoys may refuse it."""

import json
from types import TracebackType
from typing import Any

from tests.envoy_server.mesh import Mesh
from tests.warm import start_control_plane
from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import ControlPlane, free_port
from xds.wire import LISTENER

NOT_OURS = "192.0.2.1"
"""An address that no machine has (RFC 5737): the checker cannot know that, but Envoy notices it."""


class WatchedMesh(Mesh):
    """A mesh whose control plane has an admin interface, and in which an Envoy may refuse resources."""

    def start_control_plane(self, port: int) -> ControlPlane:
        """Start `xds serve` with an admin interface."""
        self.admin = f"127.0.0.1:{free_port()}"
        options = ["--log", "json", "--admin", self.admin]
        return self.children.enter_context(start_control_plane(self.catalog, port, self.folder, *options))

    def get(self, path: str) -> Any:
        """Return a document of the admin interface."""
        return json.loads(http_get(self.admin, path, 10.0)[1])

    def listeners(self) -> Any:
        """Return the gateway's status for listeners."""
        [client] = self.get("/status")["clients"]
        return next(of_type for of_type in client["types"] if of_type["type_url"] == LISTENER)

    def nacked(self) -> bool:
        """Whether the metric has the gateway."""
        series = 'xds_nacked{cluster="edge",node_id="edge-1",type="Listener"} 1.0'
        return series in http_get(self.admin, "/metrics", 10.0)[1]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.children.close()
