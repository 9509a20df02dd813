"""The parsers and processors of compose/logs/filebeat.yml, as Filebeat's documentation describes them.

Filebeat itself cannot run here. A setting in the configuration that this module does not know is a failure.
"""

import copy
import json
import os
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "compose" / "logs"
CONFIG = FOLDER / "filebeat.yml"
PARTIAL = 16 * 1024
"""The number of bytes of a line that Docker writes as one entry."""

Event = dict[str, Any]


def load_config() -> dict[str, Any]:
    """Read the configuration, and replace the environment's variables or use their defaults."""

    def expand(found: re.Match[str]) -> str:
        return os.environ.get(found[1], found[2])

    loaded: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{(\w+):(\w*)\}", expand, CONFIG.read_text()))
    return loaded


def write_docker_log(text: str, stream: str, **attrs: str) -> list[str]:
    """Write a container's output as Docker's `json-file` driver does."""
    entries = []
    for line in text.splitlines(keepends=True):
        parts = [line[start : start + PARTIAL] for start in range(0, len(line), PARTIAL)]
        entries += [
            json.dumps({"log": part, "stream": stream, "attrs": attrs, "time": "2026-01-02T03:04:05.678901234Z"})
            for part in parts
        ]
    return entries


class Pipeline:
    """The path of a line through the input's parsers and then through all processors."""

    def __init__(self, config: dict[str, Any]) -> None:
        [given] = config["filebeat.inputs"]
        assert given.keys() == {"type", "id", "paths", "parsers"}
        assert given["type"] == "filestream"
        assert given["parsers"] == [{"container": {"format": "docker", "stream": "all"}}]
        self._processors = [self._make(one) for one in config["processors"]]

    def run(self, entries: list[str]) -> list[Event]:
        """Return the documents for a file's lines."""
        return [event for event in _join(entries) if self._process(event)]

    def _process(self, event: Event) -> bool:
        return all(processor(event) for processor in self._processors)

    def _make(self, processor: dict[str, Any]) -> Callable[[Event], bool]:
        [(name, options)] = processor.items()
        options = dict(options)
        holds = _make_condition(options.pop("when")) if "when" in options else lambda _: True
        act = PROCESSORS[name](**options)
        return lambda event: act(event) if holds(event) else True


def _join(entries: list[str]) -> Iterator[Event]:
    """The parser `container`: it joins lines that Docker has cut, and adds Filebeat's fields."""
    text = ""
    for entry in map(json.loads, entries):
        text += entry["log"]
        if not text.endswith("\n"):
            continue
        yield {
            "@timestamp": entry["time"],
            "message": text.removesuffix("\n"),
            "stream": entry["stream"],
            "docker": {"attrs": entry["attrs"]},
            "log": {"offset": 0, "file": {"path": "/var/lib/docker/containers/x/x-json.log", "inode": "1"}},
            "input": {"type": "filestream"},
            "agent": {"type": "filebeat", "version": "8", "id": "x", "ephemeral_id": "y", "name": "z"},
            "ecs": {"version": "8.0.0"},
            "host": {"name": "z"},
        }
        text = ""


def find(event: Event, field: str) -> Any:
    """Return a field by its full name, or None if it is missing. A key may contain dots."""
    if field in event:
        return event[field]
    first, _, rest = field.partition(".")
    below = event.get(first)
    return find(below, rest) if rest and isinstance(below, dict) else None


def _put(event: Event, field: str, value: Any) -> None:
    *groups, name = field.split(".")
    for group in groups:
        event = event.setdefault(group, {})
    event[name] = value


def _update(event: Event, new: Event) -> None:
    """Write all fields of one object into another, at a path."""
    for name, value in new.items():
        if isinstance(value, dict) and isinstance(event.get(name), dict):
            _update(event[name], value)
        else:
            event[name] = value


def _make_condition(given: dict[str, Any]) -> Callable[[Event], bool]:
    [(name, value)] = given.items()
    match name:
        case "not":
            inner = _make_condition(value)
            return lambda event: not inner(event)
        case "and":
            every = [_make_condition(one) for one in value]
            return lambda event: all(one(event) for one in every)
        case "has_fields":
            return lambda event: all(find(event, field) is not None for field in value)
        case "equals":
            return lambda event: all(find(event, field) == wanted for field, wanted in value.items())
        case "regexp":
            return lambda event: all(
                isinstance(text := find(event, field), str) and re.search(pattern, text) is not None
                for field, pattern in value.items()
            )
    raise AssertionError(f"no condition that is known here: {name}")


def _drop_event() -> Callable[[Event], bool]:
    return lambda _: False


def _drop_fields(*, fields: list[str], ignore_missing: bool = False) -> Callable[[Event], bool]:
    def act(event: Event) -> bool:
        for field in fields:
            *groups, name = field.split(".")
            whose = find(event, ".".join(groups)) if groups else event
            assert ignore_missing or name in whose, f"{field} is not there: Filebeat would report a failure"
            if isinstance(whose, dict):
                whose.pop(name, None)
        return True

    return act


def _add_fields(*, target: str, fields: Event) -> Callable[[Event], bool]:
    assert target == "", "below what fields are added"

    def act(event: Event) -> bool:
        _update(event, copy.deepcopy(fields))
        return True

    return act


def _copy_fields(*, fields: list[dict[str, str]]) -> Callable[[Event], bool]:
    def act(event: Event) -> bool:
        for pair in fields:
            value = find(event, pair["from"])
            assert value is not None, f"{pair['from']} is not there: Filebeat would report a failure"
            assert find(event, pair["to"]) is None, f"{pair['to']} is there already: Filebeat writes over none"
            _put(event, pair["to"], value)
        return True

    return act


def _decode_json_fields(*, fields: list[str], target: str, overwrite_keys: bool) -> Callable[[Event], bool]:
    assert (fields, target, overwrite_keys) == (["message"], "", True)

    def act(event: Event) -> bool:
        try:
            decoded = json.loads(event["message"])
        except ValueError:
            return True  # unchanged
        datetime.fromisoformat(decoded["@timestamp"])
        _update(event, decoded)
        return True

    return act


PROCESSORS: dict[str, Callable[..., Callable[[Event], bool]]] = {
    "add_fields": _add_fields,
    "copy_fields": _copy_fields,
    "decode_json_fields": _decode_json_fields,
    "drop_event": _drop_event,
    "drop_fields": _drop_fields,
}
