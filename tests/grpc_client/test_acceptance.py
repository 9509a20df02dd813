"""gRPC's own client accepts what xds sends. It refuses a whole resource for a single bad field."""

from pathlib import Path

import pytest

from tests.ecs import read_log
from tests.grpc_client.mesh import start_caller
from tests.resources.golden import FOLDER
from tests.warm import start_control_plane
from xds.cli.demo.processes import free_port

REFUSED = ":1: Failed to connect to remote host"


@pytest.mark.parametrize(
    ("folder", "target", "expected"),
    [
        ("grpc_client", "turns", REFUSED),
        ("grpc_client", "weights", REFUSED),
        ("grpc_client", "throws", REFUSED),
        ("grpc_client", "empty", "EDS resource empty"),
        ("grpc_client_policies", "ring", REFUSED),
        ("grpc_client_policies", "reporting", REFUSED),
        ("grpc_client_scopes", "users", REFUSED),
        ("grpc_client_scopes", "by-name", "by-name.internal"),
    ],
)
async def test_grpc_accepts_the_resources_of_every_golden_catalog(
    tmp_path: Path, folder: str, target: str, expected: str
) -> None:
    """A call fails at its endpoint, which does not listen, and no earlier.

    So the client uses the listener, routes and cluster.
    """
    text = (FOLDER / folder / "catalog.yaml").read_text()
    for real, here in (("10.0.", "127.0."), ("2001:db8::6", "::1"), (":5000", ":1")):
        text = text.replace(real, here)
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(f"{text}\nmesh: {{strangers: serve}}\n")
    with start_control_plane(catalog, free_port(), tmp_path, "--admin", "off", "--log", "json") as control_plane:
        await control_plane.ready()
        with start_caller(control_plane, tmp_path, f"xds:///{target}") as caller:
            [answer] = await caller.next(1, 0)
        print(answer)
        assert answer.startswith("!UNAVAILABLE ")
        assert expected in answer
        assert read_log(control_plane.log.read_text(), "NACK") == []
