"""What registers itself with a running control plane reaches its clients."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.server.providing import running
from tests.server.registration.asking import Asking
from tests.server.test_instances import follow, read_until
from tests.server.test_workers import connect
from xds.server.address import ListenAddress
from xds.server.settings import Settings
from xds.wire import CLUSTER

CATALOG = "mesh: {strangers: serve}\nservices: {api: {balance: weighted, endpoints: ['127.0.0.1:5000']}}\n"
ANY = ListenAddress("127.0.0.1", 0)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.whole)])
async def test_what_registers_reaches_clients_also_where_the_catalog_does_not_name_it(
    tmp_path: Path, workers: int
) -> None:
    """All of many instances may leave: none of them is held as an accident. The log says that nothing is stored."""
    path = tmp_path / "catalog.yaml"
    path.write_text(CATALOG)
    settings = Settings(ANY, registry=ANY, workers=workers)
    with capture_logs() as logs:
        async with running(path, (), settings) as control_plane, AsyncExitStack() as stack:
            assert control_plane._registry is not None
            asked = Asking(control_plane._registry)
            sidecar = await follow(stack, control_plane, "api")
            for port in range(5001, 5006):
                sent = {"Name": "API", "ID": str(port), "Port": port, "Weights": {"Passing": 2, "Warning": 1}}
                assert await asked.register(sent) == ""
            await read_until(sidecar, {5000: 1, **dict.fromkeys(range(5001, 5006), 2)})
            for port in range(5001, 5006):
                assert await asked.put(f"/v1/agent/service/deregister/{port}") == ""
            await read_until(sidecar, {5000: 1})
            assert await asked.register({"Name": "new", "Port": 7000}) == ""
            assert {one.name for one in (await sidecar.read()).resources} == {"new"}
            late = await connect(stack, f"127.0.0.1:{control_plane.port}", "web-2")
            assert {one.name for one in late.last[CLUSTER].resources} == {"api", "new"}
            await sidecar.accept(CLUSTER)
            assert await asked.put("/v1/agent/service/deregister/new") == ""
            assert [*(await sidecar.read()).removed_resources] == ["new"]
    assert "what is registered is kept in memory: it is lost when the server ends" in {line["event"] for line in logs}
    assert not [line for line in logs if line["log_level"] == "error"]
