"""Real log lines through the pipeline. Nothing is lost, and each field has the template's type."""

import copy
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.ecs import flatten
from tests.envoy_server.echo import start_echo
from tests.envoy_server.mesh import make_catalog, until
from tests.envoy_server.test_access_logs import end, send_raw
from tests.envoy_server.test_sidecar import ask
from tests.envoy_server.watched import NOT_OURS, WatchedMesh
from tests.logs.filebeat import Event, Pipeline, load_config, write_docker_log
from tests.logs.index import find_faults, load_types
from xds.cli.demo.processes import Child, free_port
from xds.resources.listeners.access_log import HTTP, TCP
from xds.server.observe.ecs import ACTIONS, FIELDS, LIST_FIELDS

ATTRS = {"com.docker.compose.project": "xds", "com.docker.compose.service": "api", "tag": "xds_api_1"}
APPS = Path(__file__).parents[2] / "compose" / "app"


def ship(text: str, stream: str = "stdout", **attrs: str) -> list[Event]:
    """Return the documents for a container's output. Each must fit the template."""
    documents = Pipeline(load_config()).run(write_docker_log(text, stream, **{**ATTRS, **attrs}))
    types = load_types()
    assert [fault for one in documents for fault in find_faults(one, types)] == []
    return documents


def actions(documents: list[Event]) -> Counter[str]:
    """Return the number of the control plane's lines for each action."""
    return Counter(one["event"]["action"] for one in documents)


async def test_lines_of_a_real_control_plane_and_real_envoys_fit_the_template(tmp_path: Path) -> None:
    """They cover the start, edits, mistakes, refusals, clients, and successful and failed requests and connections."""
    tcp, dead = free_port(), f"127.0.0.1:{free_port()}"
    whole = json.loads(make_catalog(["API"]).replace("GATEWAY", '"GATEWAY"'))
    whole["mesh"] = {"access_log": "on"}
    whole["services"] |= {
        "db": {"protocol": "tcp", "endpoints": ["API"]},
        "dead": {"endpoints": [dead], "retries": 1},
    }
    routes = [{"prefix": "/dead", "to": "dead"}, {"prefix": "/api", "to": "api-service"}]
    ports: list[dict[str, Any]] = [{"port": "GATEWAY", "routes": routes}, {"port": tcp, "routes": [{"to": "db"}]}]
    whole["gateways"]["edge"] = {"listeners": [{"address": "127.0.0.1", **one} for one in ports]}
    bad = copy.deepcopy(whole)
    bad["gateways"]["edge"]["listeners"][1]["address"] = NOT_OURS

    def write(catalog: Any) -> str:
        return json.dumps(catalog).replace('"GATEWAY"', "GATEWAY").replace("API", api.endpoint)

    with start_echo("api") as api, WatchedMesh(tmp_path, write(whole)) as mesh:
        envoy = await mesh.start_gateway()
        assert ask(mesh.gateway_port, "/api/data?token=x", **{"User-Agent": 'a "quoted"\\ one'})[0] == 200
        assert ask(mesh.gateway_port, "/dead")[0] == 503
        assert b" 404 " in send_raw(mesh.gateway_port, "GET /no HTTP/1.1", "host: a", "x-request-id: known")
        await envoy.listening(f"127.0.0.1:{tcp}")
        assert ask(tcp)[0] == 200
        mesh.write(write(whole).replace("balance", "blance"))
        await until(lambda: "catalog-refused" in mesh.control_plane.log.read_text())
        mesh.write(write(bad))
        await until(lambda: mesh.log("NACK"))
        requests = end(envoy)
        await until(lambda: mesh.log("sidecar gone"))
        mesh.control_plane.stop()
        text = mesh.control_plane.log.read_text()

    lines = ship(text, "stderr", **{"com.docker.compose.service": "control-plane"})
    assert len(lines) == len(text.splitlines())
    assert {one["service"]["name"] for one in lines} == {"xds"}
    assert {
        *("catalog-loaded", "serving", "admin-started", "sidecar-connected", "catalog-problem", "catalog-refused"),
        *("catalog-changed", "nack", "sidecar-gone", "stopping", "stopped"),
        *("catalog-mended", "limits", "strangers-served"),
    } == actions(lines).keys()
    [nack] = [dict(flatten(one)) for one in lines if one["event"]["action"] == "nack"]
    assert NOT_OURS in nack["error.message"]
    assert (nack["xds.node_id"], nack["container.name"]) == ("edge-1", "xds_api_1")
    [mistake] = [dict(flatten(one)) for one in lines if one["event"]["action"] == "catalog-problem"]
    assert (mistake["file.path"], mistake["xds.line"]) == (str(mesh.catalog), 1)
    assert "docker" not in mistake

    documents = ship(requests)
    assert len(documents) == len(requests.splitlines())
    access = [one for one in documents if one["event"]["dataset"] == "envoyproxy.access"]
    statuses = [one["http"]["response"]["status_code"] for one in access if "http" in one]
    assert statuses[:3] == [200, 503, 404]
    assert not any("message" in one for one in access)
    assert {one["service"]["name"] for one in access} == {"api"}
    assert [one["network"]["transport"] for one in access if "http" not in one] == ["tcp"]
    others = [one for one in documents if one not in access]
    assert {one["event"]["dataset"] for one in others} == {"mesh.text"}


async def test_each_line_of_an_application_is_a_document(tmp_path: Path) -> None:
    """The lines are not JSON. Each document has the text, the container and the time."""
    port = free_port()
    command = [sys.executable, "-m", "flask", "--app", str(APPS / "api.py"), "run", "--port", str(port)]
    with Child("api", command, tmp_path, environment={"INSTANCE": "api-1", "VERSION": "v1"}) as app:
        await until(lambda: "Running on" in app.log.read_text())
        assert ask(port, "/api/data")[0] == 200
        assert ask(port, "/nowhere")[0] == 404
        await until(lambda: "/nowhere" in app.log.read_text())
        app.stop()
        text = app.log.read_text()
    documents = ship(text, "stderr")
    assert [one["message"] for one in documents] == text.splitlines()
    for one in documents:
        assert (one["event"]["dataset"], one["service"]["name"]) == ("mesh.text", "api")
        assert (one["stream"], one["@timestamp"][:4]) == ("stderr", "2026")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "plain",
        '{"level": "info"}',
        "[1]",
        '{"message": {"@timestamp": 1}',
        '{"@timestamp": "2026-01-02T03:04:0',
        "{}",
    ],
)
def test_lines_of_other_formats_are_kept_unchanged(line: str) -> None:
    """Covers text, JSON with other fields, and cut lines."""
    [document] = ship(line + "\n")
    assert document["message"] == line
    assert document["event"]["dataset"] == "mesh.text"


def test_the_parts_of_a_line_that_docker_cut_are_joined() -> None:
    """Docker writes 16 KB at a time."""
    line = json.dumps({"@timestamp": "2026-01-02T03:04:05Z", "event": {"dataset": "xds.log"}, "message": "x" * 40_000})
    assert len(write_docker_log(line + "\n", "stdout")) == 3
    [document] = ship(line + "\n")
    assert len(document["message"]) == 40_000


def test_other_containers_are_ignored() -> None:
    """These are containers of other projects, and containers without labels such as the profile's own."""
    assert ship("x\n", **{"com.docker.compose.project": "another"}) == []
    without = {"log": "x\n", "stream": "stdout", "attrs": {}, "time": "2026-01-02T03:04:05Z"}
    assert Pipeline(load_config()).run([json.dumps(without)]) == []


def test_the_template_has_exactly_the_fields_of_xds_and_its_access_log() -> None:
    """This includes fields that no test writes."""
    types = load_types()
    names = {".".join(place) for place in [*FIELDS.values(), *LIST_FIELDS.values()]}
    names |= {"xds.line", "xds.column", "xds.path"}
    formats = {name for one in (HTTP, TCP) for name, _ in flatten(one)}
    assert names | formats <= types.keys()
    ours = {name for name in types if name.partition(".")[0] in {"xds", "envoyproxy"}}
    assert ours == {name for name in names | formats if name.partition(".")[0] in {"xds", "envoyproxy"}}
    assert len(ACTIONS) > 20


def test_the_check_finds_a_missing_field_and_a_wrong_type() -> None:
    """So the tests above can fail."""
    good: Event = {"source": {"ip": "::1", "port": 1}, "xds": {"clusters": {"a.b": 1}, "in_seconds": 0.5}}
    assert find_faults(good, load_types()) == []
    bad: Event = {
        "@timestamp": "2026-01-02T03:04:05",
        "source": {"ip": "localhost", "port": "1"},
        "xds": {"unknown": 1, "clusters": 1, "streams": True},
        "message": {"text": "x"},
        "log.level": "info",
        "event": {"category": ["web", 1]},
    }
    assert find_faults(bad, load_types()) == [
        "@timestamp: '2026-01-02T03:04:05' is no date",
        "source.ip: 'localhost' is no ip",
        "source.port: '1' is no long",
        "xds.unknown: is not in the template",
        "xds.clusters: 1 is no object",
        "xds.streams: True is no long",
        "message.text: is not in the template",
        "log.level: a name with a dot in it",
        "event.category: 1 is no keyword",
    ]


def test_an_unknown_processor_is_refused() -> None:
    """No test would cover what it does."""
    config = load_config()
    config["processors"].append({"script": {"lang": "javascript"}})
    with pytest.raises(KeyError, match="script"):
        Pipeline(config)
