"""The log as JSON: each line is one object with the field names of the Elastic Common Schema (ECS).

What has no field in ECS gets one below `xds`. compose/logs/template.json holds the types of these fields.
"""

import json
import os
from collections.abc import Callable, MutableMapping
from typing import Any, Final

from xds import __version__
from xds.errors import Problem
from xds.resources.listeners.access_log import ECS_VERSION
from xds.wording import escape_json

DATASET: Final = "xds.log"

PROBLEM_ACTION: Final = "catalog-problem"
"""The `event.action` of a line that reports a problem of the catalog; its message is the problem's own text."""

ACTIONS: Final = {
    "NACK": "nack",
    "a client asked for a type that xds does not serve": "type-unknown",
    "a file is still being written: it is not served yet": "catalog-unfinished",
    "a response stays unanswered: the stream is ended": "stream-ended",
    "a change failed for a client, a bug in xds: its stream is ended": "stream-failed",
    "a request failed for a client, a bug in xds: its stream is ended": "request-failed",
    "a source of endpoints failed: its last endpoints stay served": "source-failed",
    "NACK settled": "nack-settled",
    "a worker did not apply a change: it is replaced": "worker-replaced",
    "a worker did not stop: it is killed": "worker-killed",
    "a worker does not answer: it is replaced": "worker-stuck",
    "a worker failed to answer": "worker-silent",
    "HTTP request failed": "http-failed",
    "gRPC could not end a call: its client has probably gone": "call-unended",
    "admin": "admin-started",
    "field ignored: a registration has what xds does not know": "field-ignored",
    "instance comes and goes: it is degraded until it holds out": "instance-flapping",
    "instance removed: it was critical for too long": "instance-removed",
    "most of a service turned critical at once: it is served on as it was": "service-held",
    "service is served by its checks again": "service-unheld",
    "registry": "registry-started",
    "registry failed to do what is due, a bug in xds": "registry-failed",
    "the file of tokens cannot be read: the last ones count": "tokens-failed",
    "tokens read again": "tokens-read",
    "what is registered is kept in memory: it is lost when the server ends": "registry-in-memory",
    "catalog changed": "catalog-changed",
    "catalog loaded": "catalog-loaded",
    "connections over the limit of an address are closed": "connections-closed",
    "edit NOT APPLIED, a bug in xds: the state before is still served": "catalog-failed",
    "edit REFUSED: the last good state of these files is still served": "catalog-refused",
    "edit taken: what was refused is mended": "catalog-mended",
    "edits are NOT FOLLOWED any more, a bug in xds": "catalog-unfollowed",
    "endpoints changed": "endpoints-changed",
    "endpoints NOT APPLIED, a bug in xds: the state before is still served": "endpoints-failed",
    "events of files are missing: the catalog is looked at every second until they come again": "events-missing",
    "events of files come again": "events-back",
    "lines of the log were dropped: nobody read them in time": "log-dropped",
    "limits": "limits",
    "more instances have problems": "instances-refused",
    "more lines of this kind were left out": "lines-left-out",
    "more sidecars connected": "sidecars-connected",
    "more sidecars gone": "sidecars-gone",
    "no admin: `xds status` cannot ask this server; set an address with --admin": "admin-missing",
    "no answer in time, going on": "answer-late",
    "removal confirmed": "removal-confirmed",
    "removal HELD: restore the files, or confirm it with `xds apply --yes`": "removal-held",
    "removal not held any more: what it was about has changed again": "removal-undone",
    "removal of endpoints HELD: confirm it with `xds apply --yes`": "endpoints-held",
    "serving": "serving",
    "sidecar connected": "sidecar-connected",
    "sidecar gone": "sidecar-gone",
    "spans": "spans-failed",
    "stopped": "stopped",
    "stopping": "stopping",
    "stream refused": "stream-refused",
    "several Envoys have one node id: each needs its own": "node-id-shared",
    "strangers are served: nodes of clusters without a name in the catalog may call every service": "strangers-served",
    "the catalog cannot be watched: what was read is still served": "catalog-unwatched",
    "the catalog does not name this node.cluster any more: its nodes keep what they had": "cluster-kept",
    "the catalog does not name this node.cluster: its nodes get nothing, and keep what they had": "cluster-unknown",
    "the catalog names this node.cluster again": "cluster-named",
    "the last good state cannot be stored: name a folder with --data, or write --no-data": "state-failed",
    "the last good state from disk is served, and not the catalog as it is now": "catalog-restored",
    "the last good state is stored again": "state-stored",
    "the last spans did not reach the collector": "spans-lost",
    "the leader is gone": "leader-gone",
    "the node id is of one Envoy again": "node-id-unshared",
    "the stored last good state is not used": "state-refused",
    "nodes that refused a part of the catalog begin with what worked": "held-restored",
    "what nodes refused before the restart is not known": "held-refused",
    "what nodes refused cannot be stored: name a folder with --data, or write --no-data": "held-failed",
    "worker died: another takes its place": "worker-died",
    "worker started": "worker-started",
}
"""The `event.action` of each message. It stays the same when the message's wording changes."""

FIELDS: Final = {
    "added": ("xds", "added"),
    "age": ("xds", "age"),
    "address": ("server", "address"),
    "by": ("xds", "confirmed_by"),
    "changed": ("xds", "changed"),
    "changed_files": ("file", "path"),
    "cluster": ("xds", "cluster"),
    "clusters": ("xds", "clusters"),
    "closed": ("xds", "closed"),
    "connections": ("xds", "connections"),
    "connections_per_address": ("xds", "connections_per_address"),
    "did_you_mean": ("xds", "did_you_mean"),
    "dropped": ("xds", "dropped"),
    "endpoints": ("xds", "endpoints"),
    "error": ("error", "message"),
    "field": ("xds", "field"),
    "files": ("file", "path"),
    "gateways": ("xds", "gateways"),
    "file": ("file", "path"),
    "held": ("xds", "held"),
    "how": ("error", "message"),
    "id": ("xds", "instance"),
    "in_seconds": ("xds", "in_seconds"),
    "instances": ("xds", "instances"),
    "kind": ("xds", "kind"),
    "locality": ("xds", "locality"),
    "logger": ("xds", "logger"),
    "message": ("error", "message"),
    "more": ("xds", "more"),
    "ms": ("event", "duration"),
    "node": ("xds", "node_id"),
    "nodes": ("xds", "node_ids"),
    "open_files": ("xds", "open_files"),
    "path": ("url", "path"),
    "peer": ("client", "address"),
    "peers": ("xds", "peers"),
    "pid": ("xds", "worker_pid"),
    "reason": ("error", "message"),
    "removed": ("xds", "removed"),
    "resource_count": ("xds", "resource_count"),
    "resources": ("xds", "resources"),
    "stack": ("error", "stack_trace"),
    "second_save": ("xds", "second_save"),
    "seconds": ("event", "duration"),
    "service": ("xds", "service"),
    "services": ("xds", "services"),
    "source": ("xds", "source"),
    "status": ("xds", "grpc_status"),
    "stored_at": ("xds", "stored_at"),
    "streams": ("xds", "streams"),
    "type": ("xds", "type"),
    "type_url": ("xds", "type_url"),
    "user_agent": ("user_agent", "original"),
    "variant": ("xds", "variant"),
    "worker": ("xds", "worker"),
    "workers": ("xds", "workers"),
}
"""The ECS group and field of each of structlog's keys."""

LIST_FIELDS: Final = {"services": ("xds", "serves")}
"""The group and field of keys whose value is a list in some lines and a number in others, for the lists.

An Elasticsearch index has one type per field.
"""

NANOSECONDS: Final = {"ms": 10**6, "seconds": 10**9}
"""Nanoseconds per unit of a key, since `event.duration` is in nanoseconds."""

_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=repr)
_encode: Final[Callable[[object], str]] = _JSON.encode
"""Encodes a part of a line; the whole line is escaped once."""


class EcsRenderer:
    """Turns a structlog event that has `timestamp` and `level` into a line.

    The library `ecs-logging` renames only structlog's own three keys, follows an older ECS and takes three times as
    long; the code below would be needed beside it. The fields that are the same in every line are encoded once.
    """

    def __init__(self, worker: int | None) -> None:
        same = {
            "ecs": {"version": ECS_VERSION},
            "service": {"name": "xds", "version": __version__},
            "process": {"pid": os.getpid()},
        }
        self._same = _encode(same)[1:-1]
        self._own = {} if worker is None else {"worker": worker}

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
        """Return the line without a line end. A value that JSON has no type for is written as its repr()."""
        timestamp, level, message = event.pop("timestamp"), event.pop("level"), event.pop("event")
        groups: dict[str, dict[str, Any]] = {"event": {"kind": "event", "dataset": DATASET}}
        if (action := ACTIONS.get(message)) is not None:
            groups["event"]["action"] = action
        if self._own:
            groups["xds"] = self._own.copy()
        for key, value in event.items():
            if isinstance(value, Problem):
                _describe_problem(value, groups)
                continue
            listed = LIST_FIELDS.get(key) if isinstance(value, list) else None
            group, name = listed or FIELDS.get(key) or ("xds", key)
            scale = NANOSECONDS.get(key)
            groups.setdefault(group, {})[name] = value if scale is None else round(value * scale)
        return escape_json(
            f'{{"@timestamp":"{timestamp}","log":{{"level":"{level}"}},"message":{_encode(message)},'
            f"{self._same},{_encode(groups)[1:]}"
        )


def _describe_problem(problem: Problem, groups: dict[str, dict[str, Any]]) -> None:
    groups["event"]["action"] = PROBLEM_ACTION
    groups["error"] = {"message": problem.message}
    groups["file"] = {"path": problem.source}
    place = {"line": problem.line, "column": problem.column} if problem.line else {}
    fields = {**place, "path": problem.path} if problem.path else place
    if fields:
        groups.setdefault("xds", {}).update(fields)
