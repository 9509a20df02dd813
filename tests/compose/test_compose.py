"""The mesh in containers: started, driven by the documented commands, and removed. All tests share one mesh."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from mesh.load import CONNECTIONS, Load
from tests.chance import by_chance, in_turn
from tests.compose.engine import ENVOYS, Mesh, base_images, counts, find_missing, find_obstacle, finish, shares, until
from tests.prometheus.programs import Prometheus
from xds.cli.demo.envoy_admin import http_get

WATCHERS = {"prometheus", "grafana"}
"""The services of the profile `metrics`."""


THIRDS = dict.fromkeys(("api-1", "api-2", "api-3"), 1)
"""The default weights of the instances."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """Build the images, start the mesh in an unusual order with the control plane last, and remove everything."""
    obstacle = find_obstacle()
    if obstacle:
        pytest.skip(f"the mesh in containers: {obstacle}")
    mesh = Mesh(tmp_path_factory.mktemp("mesh"))
    environment = pytest.MonkeyPatch()
    for name, value in mesh.environment.items():
        environment.setenv(name, value)
    try:
        start = time.monotonic()
        mesh.compose("build")
        built = time.monotonic()
        for services in (["edge", "web"], ["api", "api-v2"], ["control-plane"]):
            mesh.compose("up", "-d", "--no-build", *services)
        until(lambda: mesh.get("/")[0] == 200 and mesh.get("/api/data")[0] == 200, "an answer of web and api")
        until(lambda: mesh.synced() == ENVOYS, "all Envoys")
        print(f"built in {built - start:.1f} s, up in {time.monotonic() - built:.1f} s more")
        yield mesh
    except AssertionError:
        print(mesh.compose("logs", "--no-color", "--tail", "20"))
        raise
    finally:
        mesh.compose("down", "--volumes", "--remove-orphans", "--rmi", "local", "--timeout", "5")
        environment.undo()
    assert mesh.remains() == ""


@pytest.fixture
def mesh(running: Mesh) -> Mesh:
    """Restore the initial state before each test, whatever the test before it left."""
    running.restore()
    return running


def are_in_turn(found: dict[str, int], weights: dict[str, int], rounds: int = 1, astray: int = 0) -> bool:
    """Whether the edge's one worker gave instances the shares of their weights by weighted round robin."""
    total, whole = sum(found.values()), sum(weights.values())
    return found.keys() <= weights.keys() and all(
        found.get(name, 0) in in_turn(total, weight / whole, len(weights), rounds=rounds, astray=astray)
        for name, weight in weights.items()
    )


def inspect(mesh: Mesh, *services: str) -> list[dict[str, Any]]:
    """Return Docker's description of containers."""
    ids = [one.id for one in mesh.containers() if not services or one.service in services]
    described: list[dict[str, Any]] = json.loads(
        subprocess.run(["docker", "inspect", *ids], capture_output=True, check=True).stdout
    )
    return described


def test_requests_are_shared_evenly_and_web_calls_through_its_sidecar(mesh: Mesh) -> None:
    """One host name stands for three instances, which share requests by round robin."""
    assert are_in_turn(counts(mesh.act("traffic", "--seconds", "2")), THIRDS)
    through_web = counts(mesh.act("traffic", "/", "--seconds", "1"))
    assert through_web.keys() == {"web-1 > api-1", "web-1 > api-2", "web-1 > api-3"}


def test_weights_set_the_shares_of_instances(mesh: Mesh) -> None:
    """The shares are equal again when the weights are removed."""
    printed = mesh.act("weights", "5", "3", "1", "--seconds", "2")
    assert "+    balance: weighted" in printed
    assert are_in_turn(counts(printed), {"api-1": 5, "api-2": 3, "api-3": 1}, astray=CONNECTIONS)
    assert shares(printed, 2) == {"api-1": 55.6, "api-2": 33.3, "api-3": 11.1}
    printed = mesh.act("weights", "equal", "--seconds", "1")
    assert are_in_turn(counts(printed), THIRDS, astray=CONNECTIONS)


def test_restore_undoes_whatever_a_test_left(mesh: Mesh) -> None:
    """Covers weights, scale, a dead instance, a running command, a bad file, and a control plane off the network."""
    mesh.act("weights", "5", "3", "1", "--seconds", "0.1")
    command = mesh.start("traffic", "--seconds", "100")
    [victim], [control_plane] = inspect(mesh, "api-v2"), mesh.containers_of("control-plane")
    subprocess.run(["docker", "kill", victim["Id"]], check=True)
    subprocess.run(["docker", "network", "disconnect", control_plane.network, control_plane.id], check=True)
    (mesh.catalog / "edge.yaml").write_text("gateways: 5\n")
    mesh.compose("up", "-d", "--no-build", "--scale", "api=4", "api")
    mesh.restore()
    assert command.poll() is not None
    assert are_in_turn(counts(mesh.act("traffic", "--seconds", "1")), THIRDS)


def test_weights_for_unknown_instances_are_refused(mesh: Mesh) -> None:
    """The exit code is 2, the message names the instances, and the catalog stays the same."""
    process = mesh.start("weights", "1", "2")
    printed, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert printed == "mesh: there are 3 instances, api-1, api-2, api-3: give one weight for each, found 2\n"


def test_a_canary_gets_its_percentage(mesh: Mesh) -> None:
    """Chance explains the number of requests to the next version."""
    found = counts(mesh.act("canary", "20", "--seconds", "2", "--rate", "200"))
    assert found.keys() == {"api-service", "api-service-v2"}
    assert found["api-service-v2"] in by_chance(sum(found.values()), 0.2)
    printed = mesh.act("canary", "0", "--seconds", "1")
    assert shares(printed) == {"api-service": 100.0, "api-service-v2": 0.0}


def test_wait_ends_when_nothing_is_missing(mesh: Mesh) -> None:
    """A container that is stopped is missing to the gateway; with it back, the mesh is ready again."""
    code, printed = mesh.wait(60)
    assert code == 0, printed
    assert re.search(r"ready after \d+\.\d s: 6 Envoys have the 3 services, and every endpoint is healthy", printed)
    mesh.compose("stop", "--timeout", "2", "web")
    code, printed = mesh.wait(1)
    assert (code, "The mesh is not ready after" in printed) == (1, True), printed
    assert "web" in printed or "the gateway answers / with" in printed, printed
    mesh.compose("start", "web")
    code, printed = mesh.wait(60)
    assert (code, "The mesh is ready" in printed) == (0, True), printed


def test_traces_need_a_collector(mesh: Mesh) -> None:
    """Without a collector, the command explains how to start one and leaves the catalog. A share of 0 needs none."""
    process = mesh.start("tracing", "100")
    printed, _ = process.communicate(timeout=30)
    assert (process.returncode, "docker compose --profile traces up -d" in printed) == (2, True), printed
    assert "catalog/mesh.yaml needs no change" in mesh.act("tracing", "0", "--seconds", "0.2")


def test_a_killed_instance_fails_no_request(mesh: Mesh) -> None:
    """The other instances take over its share, and it gets the share back when it is up again."""
    printed = mesh.act("kill", "api-2", "--seconds", "2")
    [totals] = re.findall(r"^REQUESTS +(\d+) +(\d+) +(\d+)$", printed, re.MULTILINE)
    before, dead, back = (
        {name: round(int(total) * share / 100) for name, share in shares(printed, column).items()}
        for column, total in enumerate(totals, 1)
    )
    assert are_in_turn(before, THIRDS, astray=CONNECTIONS)
    # Until the edge knows, the next instance takes the dead one's turn. Then a second round starts.
    assert are_in_turn(dead, {"api-1": 1, "api-2": 0, "api-3": 1}, rounds=2, astray=CONNECTIONS)
    assert are_in_turn(back, THIRDS, astray=CONNECTIONS)


def test_without_the_control_plane_envoys_go_on_and_follow_dns(mesh: Mesh) -> None:
    """Instances come and go, and Envoys learn of it by DNS. An edit takes effect when the control plane is back."""
    cut = mesh.start("cut", "--seconds", "12")
    try:
        mesh.compose("up", "-d", "--no-build", "--scale", "api=5", "api")
        five = {f"api-{number}" for number in range(1, 6)}
        until(lambda: shares(mesh.act("traffic", "--seconds", "0.3")).keys() == five, "five instances", 30)
        with Load(mesh.gateway, "/api/data", 100) as load:
            until(lambda: load.count().keys() == five, "answers of all five")
            mesh.compose("up", "-d", "--no-build", "--scale", "api=3", "api")
        assert load.failures == []
    finally:
        printed = finish(cut)
    assert "0 of which failed, no Envoy has the edit" in printed
    assert "It is in effect" in printed
    until(lambda: mesh.synced() == ENVOYS, "all Envoys")


def test_replacing_the_control_plane_fails_no_request(mesh: Mesh) -> None:
    """Another container serves all Envoys."""
    before = inspect(mesh, "control-plane")[0]["Id"]
    printed = mesh.act("roll")
    assert "All 6 Envoys are connected to it" in printed
    assert inspect(mesh, "control-plane")[0]["Id"] != before


def test_a_mistake_in_the_catalog_changes_nothing(mesh: Mesh) -> None:
    """The log has the mistake with its place, for a file that was renamed into the folder.

    It also has the correction.
    """
    file, new = mesh.catalog / "web.yaml", mesh.catalog / ".new"
    good = file.read_text()
    try:
        new.write_text(good.replace("upstreams", "upstrams"))
        new.chmod(0o644)
        new.replace(file)
        until(lambda: "web.yaml:" in mesh.compose("logs", "control-plane"), "the mistake", 20)
        assert mesh.status()["catalog"]["refused_files"] == ["/catalog/web.yaml"]
        assert mesh.get("/")[0] == 200
    finally:
        file.write_text(good)
    until(lambda: mesh.status()["catalog"]["ok"], "the mended catalog", 20)


@pytest.mark.parametrize("program", ["envoy", "gunicorn"])
def test_a_pod_restarts_when_one_of_its_containers_dies(mesh: Mesh, program: str) -> None:
    """The application and its sidecar start and stop together."""
    restarts = inspect(mesh, "web")[0]["RestartCount"]
    script = (
        "import os, pathlib, signal\n"
        "for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        f"    if pathlib.Path('/proc', pid, 'comm').read_text() == '{program}\\n': os.kill(int(pid), signal.SIGKILL)"
    )
    mesh.compose("exec", "-T", "web", "python", "-c", script)
    until(lambda: inspect(mesh, "web")[0]["RestartCount"] == restarts + 1, "a restart", 30)
    until(lambda: mesh.get("/")[0] == 200, "an answer of web", 30)


@pytest.fixture(scope="module")
def prometheus(running: Mesh) -> Prometheus:
    """Start Prometheus beside the mesh."""
    [image] = [one for one in base_images("metrics") if "prometheus" in one]
    if obstacle := find_missing([image]):
        pytest.skip(f"the profile `metrics`: {obstacle}")
    running.compose("up", "-d", "--no-build", "prometheus")
    prometheus = Prometheus(running.prometheus)
    until(prometheus.is_ready, "Prometheus", 30)
    return prometheus


def read_shares(prometheus: Prometheus, expression: str) -> dict[str, float]:
    """Return the share of each endpoint of api-service at the edge, by the catalog's name and the address."""
    return {
        f"{labels['endpoint']} {labels['envoy_endpoint_address']}": value
        for labels, value in prometheus.query(expression)
        if (labels["node_id"], labels["envoy_cluster_name"]) == ("edge-1", "api-service")
    }


def test_prometheus_scrapes_a_new_envoy_without_an_edit(mesh: Mesh, prometheus: Prometheus) -> None:
    """It stops scraping one that goes. The share of a name is the sum over its addresses."""
    until(lambda: set(prometheus.targets()) == ENVOYS, "targets")
    mesh.compose("up", "-d", "--no-build", "--scale", "api=5", "api")
    until(lambda: set(prometheus.targets()) == ENVOYS | {"api-4", "api-5"}, "two targets more")
    until(lambda: list(read_shares(prometheus, "node:endpoint_share:expected").values()) == [0.2] * 5, "five shares")
    mesh.compose("up", "-d", "--no-build", "--scale", "api=3", "api")
    until(lambda: set(prometheus.targets()) == ENVOYS, "two targets less")
    assert {name.split()[0] for name in read_shares(prometheus, "node:endpoint_share:expected")} == {"api:5000"}


def test_the_shares_that_dashboards_show_are_the_expected_ones(mesh: Mesh, prometheus: Prometheus) -> None:
    """Weights change while requests run."""
    weighing = mesh.start("weights", "5", "3", "1", "--seconds", "10")
    try:
        ninths = [pytest.approx(weight / 9) for weight in (1, 3, 5)]
        expected = "node:endpoint_share:expected"
        until(lambda: sorted(read_shares(prometheus, expected).values()) == ninths, "the expected shares")
        observed = "node:endpoint_share:observed_rate1m"
        until(lambda: len(read_shares(prometheus, f"abs({observed} - {expected}) < 0.05")) == 3, "the observed shares")
    finally:
        finish(weighing)
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    assert not prometheus.query('ALERTS{alertstate="firing", severity="page"}')


def test_grafana_shows_the_dashboards(mesh: Mesh, prometheus: Prometheus) -> None:
    """Grafana needs no login, and Prometheus answers the dashboards' queries."""
    if obstacle := find_missing(base_images("metrics")):
        pytest.skip(f"the dashboards in Grafana: {obstacle}")
    mesh.compose("up", "-d", "--no-build", "grafana")

    def get(path: str) -> Any:
        return json.loads(http_get(mesh.grafana, path, 10.0)[1])

    def is_up() -> bool:
        try:
            return len(get("/api/search?type=dash-db")) == 3
        except (OSError, ValueError):
            return False

    until(is_up, "three dashboards")
    assert {one["uid"] for one in get("/api/search?type=dash-db")} == {"xds-mesh", "xds-service", "xds-control-plane"}
    assert get("/api/dashboards/home")["dashboard"]["uid"] == "xds-mesh"
    answer = get("/api/datasources/proxy/uid/xds-prometheus/api/v1/query?query=sum(xds_connected_clients)")
    assert float(answer["data"]["result"][0]["value"][1]) == len(ENVOYS)


def test_containers_have_few_rights(mesh: Mesh) -> None:
    """No root, no writable files, no capabilities, limited memory, few ports on loopback, and no compiler."""
    published: dict[tuple[str, str], str] = {}
    for one in inspect(mesh):
        host, name = one["HostConfig"], one["Config"]["Labels"]["com.docker.compose.service"]
        assert one["Config"]["User"] == "10001:10001"
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert 0 < host["Memory"] <= (2**29 if name in WATCHERS else 2**28)
        assert host["PidsLimit"] > 0
        assert all(mount["RW"] is False for mount in one["Mounts"] if mount["Type"] == "bind")
        ports = one["NetworkSettings"]["Ports"]
        published |= {(name, port): places[0]["HostIp"] for port, places in ports.items() if places}
    own = {port: address for port, address in published.items() if port[0] not in WATCHERS}
    assert own == {("edge", "10000/tcp"): "127.0.0.1", ("control-plane", "18002/tcp"): "127.0.0.1"}
    assert set(published.values()) == {"127.0.0.1"}
    for service in ("control-plane", "web"):
        found = mesh.compose("exec", "-T", service, "sh", "-c", "id -u; command -v gcc cc make || echo none")
        assert found == "10001\nnone\n"


def test_all_are_healthy(mesh: Mesh) -> None:
    """Every container has a health check and passes it."""
    until(lambda: {one["State"]["Health"]["Status"] for one in inspect(mesh)} == {"healthy"}, "health", 40)
