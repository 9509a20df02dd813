"""The log as JSON lines with ECS field names."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ecs import flatten
from xds import __version__
from xds.errors import Problem
from xds.server.observe import client_log
from xds.server.observe.client_log import ClientLog, describe_node
from xds.server.observe.ecs import ACTIONS, FIELDS, LIST_FIELDS, EcsRenderer
from xds.wire.discovery_pb2 import Node

SOURCES = Path(client_log.__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def render(event: str, worker: int | None = None, **fields: Any) -> dict[str, Any]:
    """Format a line, and parse it as a log store does."""
    line = {"timestamp": "2026-01-02T03:04:05.678901Z", "level": "error", "event": event, **fields}
    return dict(flatten(json.loads(EcsRenderer(worker)(None, "error", line))))


def find_calls() -> Iterator[tuple[str, ast.Call]]:
    """Return each call that logs, with its file."""
    for file in SOURCES.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                whose = call.func.value
                logs = isinstance(whose, ast.Name) and whose.id == "log" and call.func.attr in LEVELS
                if (
                    logs
                    or call.func.attr == "log_client"
                    or ast.unparse(call.func).endswith(".repeats.tell")
                    or (isinstance(call.func, ast.Name) and call.func.id == "ClientLog")
                ):
                    yield f"{file.name}:{call.lineno}", call


def test_a_line_uses_ecs_field_names() -> None:
    """Values without an ECS field go below `xds`. Durations are in nanoseconds."""
    line = render("NACK", node="web-1", type="Listener", resources=["a"], message='cannot "bind"', ms=1.5)
    assert isinstance(line.pop("process.pid"), int)
    assert line == {
        "@timestamp": "2026-01-02T03:04:05.678901Z",
        "log.level": "error",
        "message": "NACK",
        "ecs.version": "8.17.0",
        "service.name": "xds",
        "service.version": __version__,
        "event.kind": "event",
        "event.dataset": "xds.log",
        "event.action": "nack",
        "event.duration": 1_500_000,
        "error.message": 'cannot "bind"',
        "xds.node_id": "web-1",
        "xds.type": "Listener",
        "xds.resources": ["a"],
    }


def test_a_mistake_has_its_position_in_fields() -> None:
    """The position has fields of its own beside the text for terminals. A mistake in a whole file has no position."""
    problem = Problem("shop/catalog.yaml", 3, 14, "services.api.balance", "expected a balance")
    line = render(str(problem), problem=problem)
    assert line["message"] == "shop/catalog.yaml:3:14: error: services.api.balance: expected a balance"
    assert {name: line[name] for name in line if name.partition(".")[0] in {"file", "xds", "error"}} == {
        "file.path": "shop/catalog.yaml",
        "xds.line": 3,
        "xds.column": 14,
        "xds.path": "services.api.balance",
        "error.message": "expected a balance",
    }
    assert line["event.action"] == "catalog-problem"
    assert "xds.line" not in render("x", problem=Problem("a.yaml", 0, 0, "", "cannot be read"))


def test_a_workers_lines_have_the_workers_number() -> None:
    """The number stands beside the other fields. A line about another worker has the other worker's number."""
    assert render("sidecar gone", 2, node="web-1")["xds.worker"] == 2
    assert render("worker started", pid=7)["xds.worker_pid"] == 7


@pytest.mark.parametrize(("services", "field"), [(3, "xds.services"), (["ads"], "xds.serves")])
def test_a_number_and_a_list_of_names_are_two_fields(services: object, field: str) -> None:
    """An index accepts one type for each field."""
    assert render("serving", services=services)[field] == services


def test_a_value_that_json_cannot_hold_is_still_logged() -> None:
    """The log never loses a line."""
    assert render("spans", reason=ValueError("ä"))["error.message"] == "ValueError('ä')"


def test_every_logging_call_has_an_action_and_known_fields() -> None:
    """This covers every logging call in the sources. A message that is composed at run time belongs to a problem."""
    messages, names = set(), {"variant", *describe_node(Node(id="a")), "locality"}
    for place, call in find_calls():
        names |= {word.arg for word in call.keywords if word.arg}
        if isinstance(call.func, ast.Attribute) and call.func.attr != "log_client":
            first = call.args[2] if call.func.attr == "tell" else call.args[0]
            assert isinstance(first, ast.Constant) or "self._event" in ast.unparse(first), place
            messages |= {str(first.value)} if isinstance(first, ast.Constant) else set()
    known = ast.parse((SOURCES / "server" / "streams" / "stream.py").read_text())
    logs = [one for one in ast.walk(known) if isinstance(one, ast.Call) and ast.unparse(one.func) == ClientLog.__name__]
    messages |= {ast.literal_eval(text) for one in logs for text in one.args}
    assert messages == ACTIONS.keys()
    assert len(messages) > 20
    assert names <= FIELDS.keys()
    assert LIST_FIELDS.keys() <= FIELDS.keys()
    assert len({*ACTIONS.values()}) == len(ACTIONS)
