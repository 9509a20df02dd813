"""What the log says about clients that connect and disconnect."""

import pytest
from structlog.testing import capture_logs

from xds.cli.demo.processes import await_until
from xds.server.observe import client_log
from xds.server.observe.client_log import MAX_LINES, NAMED_CLUSTERS, ClientLog
from xds.wire.discovery_pb2 import Node


async def test_a_few_clients_get_a_line_each() -> None:
    """Each line has that client's details, and no summary follows."""
    gone = ClientLog("sidecar gone", "more sidecars gone")
    with capture_logs() as lines:
        gone.log_client(Node(id="web-1", cluster="web"), seconds=1.5)
        gone.flush()
    assert lines == [
        {
            "event": "sidecar gone",
            "log_level": "info",
            "node": "web-1",
            "cluster": "web",
            "user_agent": "",
            "seconds": 1.5,
        }
    ]


async def test_many_clients_in_a_second_share_one_summary_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first clients of a second get a line each. One line counts the others and names the largest clusters.

    The next second starts again.
    """
    monkeypatch.setattr(client_log, "SECONDS", 0.05)
    connected = ClientLog("sidecar connected", "more sidecars connected")
    names = [f"c{number}" for number in range(NAMED_CLUSTERS + 2)]
    nodes = [Node(id=f"{name}-{number}", cluster=name) for size, name in enumerate(names) for number in range(size + 1)]
    with capture_logs() as lines:
        for node in [Node(id="first")] * MAX_LINES + nodes:
            connected.log_client(node)
        await await_until(lambda: len(lines) > MAX_LINES, 10)
        connected.log_client(nodes[0])
    assert [line["event"] for line in lines] == [
        *["sidecar connected"] * MAX_LINES,
        "more sidecars connected",
        "sidecar connected",
    ]
    assert lines[MAX_LINES]["more"] == len(nodes)
    assert lines[MAX_LINES]["clusters"] == {name: size for size, name in [*enumerate(names, 1)][:1:-1]} | {"others": 3}
