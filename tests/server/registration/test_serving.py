"""What registers itself with a running control plane reaches its clients."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from tests.server.providing import running
from tests.server.registration.asking import Asking
from tests.server.test_instances import follow, read_until
from tests.server.test_workers import connect
from xds.cli.serve import command
from xds.server.address import ListenAddress, ListenError
from xds.server.registration.server import make_registration_server
from xds.server.settings import Settings
from xds.wire import CLUSTER

CATALOG = "mesh: {strangers: serve}\nservices: {api: {balance: weighted, endpoints: ['127.0.0.1:5000', registered]}}\n"
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


def test_a_registry_that_other_machines_reach_needs_tokens(tmp_path: Path) -> None:
    """A file of tokens must be right at the start."""
    path = tmp_path / "tokens"
    path.write_text(CATALOG)
    serve = ["--catalog", str(path), "--registry", "0.0.0.0:1"]
    for options, words in (
        (serve, "add --registry-tokens"),
        ([*serve, "--registry-tokens", str(path)], "add --allow-plaintext"),
        ([*serve[:2], "--registry-tokens", str(path)], "--registry-tokens needs --registry"),
    ):
        answer = CliRunner().invoke(command, options)
        assert (answer.exit_code, words in answer.output) == (2, True)
    with pytest.raises(ListenError, match="line 1: expected the SHA-256 of a token"):
        make_registration_server(Settings(ANY, registry=ANY, registry_tokens=path))
