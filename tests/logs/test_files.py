"""The files of the profile `logs`: names are consistent, and Kibana's objects use only existing fields."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from tests.logs.filebeat import FOLDER, load_config
from tests.logs.index import TEMPLATE, load_types
from xds.server.observe.ecs import ACTIONS, DATASET, PROBLEM_ACTION

OBJECTS = FOLDER / "kibana.ndjson"
STREAM = "logs-mesh-demo"
FIELD = re.compile(r"([a-z_@][a-z0-9_.@]*)\s*(?::|>=|<=|>|<)")


def load_objects() -> dict[str, dict[str, Any]]:
    """Return Kibana's objects by their ids."""
    objects = [json.loads(line) for line in OBJECTS.read_text().splitlines()]
    return {one["id"]: one for one in objects}


def queries() -> list[str]:
    """Return the KQL queries of all objects."""
    found = []
    for one in load_objects().values():
        if one["type"] != "index-pattern":
            source = json.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
            assert source["query"]["language"] == "kuery"
            found.append(source["query"]["query"])
    return found


def test_the_data_stream_has_the_same_name_everywhere() -> None:
    """Filebeat writes to the data stream of the template, and Kibana reads it."""
    config, template = load_config(), json.loads(TEMPLATE.read_text())
    assert config["output.elasticsearch"]["index"] == STREAM
    assert template["index_patterns"] == [STREAM]
    assert template["data_stream"] == {}
    assert template["priority"] > 100  # Elasticsearch's own template for logs-*-* has 100
    assert template["template"]["lifecycle"] == {"data_retention": "3d"}
    loaded = config["setup.template"]
    assert loaded["json"] == {
        "enabled": True,
        "name": STREAM,
        "path": "/usr/share/filebeat/template.json",
        "data_stream": True,
    }
    assert load_objects()["mesh-logs"]["attributes"]["title"] == STREAM


def test_the_index_refuses_no_document_for_a_field() -> None:
    """A field that the template lacks is kept. A value of another type does not lose the document."""
    inner = json.loads(TEMPLATE.read_text())["template"]
    assert inner["mappings"]["dynamic"] is False
    assert inner["settings"]["index.mapping.ignore_malformed"] is True
    assert inner["settings"]["number_of_replicas"] == 0


def test_services_mount_the_files_and_share_one_version() -> None:
    """The files are where the configurations look for them."""
    services = yaml.safe_load((FOLDER.parent / "docker-compose.yml").read_text())["services"]
    mounted = {volume.partition(":")[0] for one in services.values() for volume in one.get("volumes", [])}
    assert {f"./logs/{file.name}" for file in FOLDER.iterdir()} <= mounted
    of_profile = {name: one for name, one in services.items() if one.get("profiles") == ["logs"]}
    assert of_profile.keys() == {"elasticsearch", "kibana", "kibana-objects", "filebeat"}
    assert len({one["image"].partition(":")[2] for one in of_profile.values()}) == 1
    assert not any("docker.sock" in volume for volume in mounted)


def test_kibanas_objects_are_complete() -> None:
    """Each has the attributes of its kind, and its references lead to objects of the correct kind."""
    objects = load_objects()
    kinds = {"index-pattern": "8.0.0", "search": "8.0.0", "visualization": "8.5.0", "dashboard": "8.9.0"}
    assert {one["type"] for one in objects.values()} == kinds.keys()
    for one in objects.values():
        assert one["typeMigrationVersion"] == kinds[one["type"]]
        assert one["attributes"]["title"]
        for reference in one["references"]:
            assert objects[reference["id"]]["type"] == reference["type"]
    panels = json.loads(objects["mesh"]["attributes"]["panelsJSON"])
    named = {reference["name"]: reference["type"] for reference in objects["mesh"]["references"]}
    assert {f"{one['panelIndex']}:{one['panelRefName']}": one["type"] for one in panels} == named
    for one in panels:
        assert one["gridData"]["x"] + one["gridData"]["w"] <= 48


def test_kibanas_objects_use_existing_fields() -> None:
    """This covers columns, sort orders, queries and buckets. The values occur in the log."""
    types = load_types()
    fields = {name for query in queries() for name in FIELD.findall(query)}
    assert {"event.action", "http.response.status_code", "log.level"} <= fields
    for one in load_objects().values():
        attributes = one["attributes"]
        fields |= {*attributes.get("columns", []), *(field for field, _ in attributes.get("sort", []))}
        aggregations = json.loads(attributes.get("visState", '{"aggs": []}'))["aggs"]
        fields |= {given["params"]["field"] for given in aggregations if "field" in given["params"]}
    assert fields <= types.keys()
    text = " ".join(queries())
    named = {word for found in re.findall(r"event\.action : (?:\(([^)]*)\)|(\S+))", text) for word in found if word}
    assert {word for some in named for word in some.split(" or ")} <= {*ACTIONS.values(), PROBLEM_ACTION}
    datasets = set(re.findall(r"event\.dataset : (\S+)", text))
    assert datasets == {DATASET, "envoyproxy.access", "mesh.text"}


class Kibana:
    """An HTTP server that receives objects as Kibana does. It sends `answers` in order, and the last one for ever."""

    def __init__(self) -> None:
        self.answers = [(200, b'{"successCount":8,"success":true}')]
        self.requests: list[tuple[str, str | None, bytes]] = []
        kibana = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kibana.requests.append((self.path, self.headers["kbn-xsrf"], body))
                status, answer = kibana.answers.pop(0) if len(kibana.answers) > 1 else kibana.answers[0]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)

    def bring(self) -> "subprocess.CompletedProcess[str]":
        """Run the script that imports the objects."""
        variables = {
            "KIBANA_URL": f"http://127.0.0.1:{self.server.server_port}",
            "OBJECTS": str(OBJECTS),
            "TRIES": "5",
            "SECONDS_BETWEEN": "0",
            "PATH": "/usr/bin:/bin",
        }
        command = ["bash", str(FOLDER / "import.sh")]
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=30)


@pytest.fixture
def kibana() -> Iterator[Kibana]:
    """Serve on loopback."""
    made = Kibana()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_the_objects_are_imported_as_soon_as_kibana_is_ready(kibana: Kibana) -> None:
    """The script retries until then, and replaces existing objects."""
    kibana.answers[:0] = [(503, b"Kibana server is not ready yet"), (503, b'{"message":"License is not available."}')]
    answer = kibana.bring()
    assert answer.returncode == 0, answer.stderr
    assert len(kibana.requests) == 3
    path, header, body = kibana.requests[-1]
    assert path == "/api/saved_objects/_import?overwrite=true"
    assert header == "true"
    assert OBJECTS.read_bytes() in body
    assert b'name="file"; filename="kibana.ndjson"' in body


def test_a_refusal_by_kibana_is_reported_at_once(kibana: Kibana) -> None:
    """The script prints Kibana's message and has an exit code. It waits for Kibana no longer than its limit."""
    kibana.answers = [(200, b'{"success":false,"errors":[{"id":"mesh"}]}')]
    answer = kibana.bring()
    assert (answer.returncode, len(kibana.requests)) == (1, 1)
    assert '"id":"mesh"' in answer.stderr
    kibana.answers = [(503, b"no")]
    assert kibana.bring().returncode == 1
    assert len(kibana.requests) == 6
