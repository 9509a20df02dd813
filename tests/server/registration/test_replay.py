"""What a real Consul answered, in the order in which it was asked, is what is answered here.

`consul.jsonl` was recorded from Consul 1.7. Waits are shortened. Left out is what differs on purpose: see
`test_registration.py`. In bodies `NODE` stands for the server's node and `ALIVE` for its own check; the indexes of
instances, and the service `consul`, are left out.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from tests.server.registration.asking import Answer, Asking, asking
from xds.cli.demo.processes import await_until

RECORDED = [json.loads(line) for line in Path(__file__).with_name("consul.jsonl").read_text().splitlines()]

NODE_FIELDS = {"ID", "Node", "Address", "Datacenter", "TaggedAddresses", "Meta", "CreateIndex", "ModifyIndex"}
VARYING = ("CreateIndex", "ModifyIndex", "ContentHash")


class Replay:
    """Sends what was sent, with the indexes and hashes that were answered here in place of those that were recorded."""

    def __init__(self, asked: Asking) -> None:
        self._asked = asked
        own = asked.registry.registrations.book.own
        self._own = {own.name, own.node_id}
        self._node = own.name
        self._indexes: dict[tuple[str, str], int] = {}  # by path without parameters, and recorded index
        self._hashes: dict[str, str] = {}
        self._last: dict[str, tuple[int, int]] = {}  # by path without parameters: the recorded index, and that here

    async def send(self, one: dict[str, Any]) -> Answer:
        """Send what was sent."""
        bare = one["path"].partition("?")[0]
        path = one["path"].replace("/node1", f"/{self._node}")

        def find_index(match: re.Match[str]) -> str:
            known = self._indexes.get((bare, match[1]))
            lower = self._indexes.get((bare, str(int(match[1]) + 1)), 2) - 1
            return f"index={known or (lower if len(match[1]) < 4 else 10**15)}"

        path = re.sub(r"index=(\d+)", find_index, path) if "index" in one else path
        if (found := re.search(r"hash=(\w{16})", path)) and found[
            1
        ] not in self._hashes:  # no answer is recorded with it
            now = await self._asked.send("GET", bare)
            self._hashes[found[1]] = now.headers["X-Consul-ContentHash"]
        path = re.sub(r"hash=(\w+)", lambda match: f"hash={self._hashes.get(match[1], match[1])}", path)
        return await self._asked.send(one["method"], path, one.get("sent"))

    def compare(self, one: dict[str, Any], answer: Answer) -> None:
        """Hold an answer against what was answered."""
        assert answer.status == one.get("status", 200)
        if one.get("body") != "*":
            assert self.normalize(answer.body) == one.get("body", "")
        assert answer.headers["Allow"] == one.get("allow")
        assert answer.headers["Location"] == one.get("location")
        is_about = "index" in one and answer.status == 200
        assert ("X-Consul-Index" in answer.headers) == is_about
        if "hash" in one:
            self._hashes[one["hash"]] = answer.headers["X-Consul-ContentHash"]
        if is_about:
            self.compare_index(one, answer)

    def compare_index(self, one: dict[str, Any], answer: Answer) -> None:
        """Hold an index against the last one of the same path: it grows where it grew, and stays where it stayed."""
        bare, recorded = one["path"].partition("?")[0], one["index"]
        self._indexes[bare, str(recorded)] = answer.index
        if bare in self._last:
            before, here = self._last[bare]
            assert (answer.index > here) == (recorded > before)
            assert answer.index >= here
        self._last[bare] = recorded, answer.index
        assert answer.headers["X-Consul-KnownLeader"] == "true"
        assert answer.headers["X-Consul-LastContact"] == "0"
        assert answer.headers["X-Consul-Effective-Consistency"] == one.get("consistency", "leader")

    def normalize(self, body: Any) -> Any:
        """Return a body as the recording has it."""
        if isinstance(body, list):
            return [self.normalize(item) for item in body]
        if not isinstance(body, dict):
            return body
        if body.get("CheckID") == "serfHealth":
            return "ALIVE"
        if body.keys() == NODE_FIELDS:
            return "NODE"
        return {
            key: "NODE"
            if key in ("Node", "ID") and isinstance(value, str) and value in self._own
            else self.normalize(value)
            for key, value in body.items()
            if key not in VARYING
        }


def sort_tags(body: Any) -> Any:
    """Return the tags of services without their order, which varies."""
    return {name: sorted(tags) for name, tags in body.items()}


async def test_a_recorded_consul_is_answered_alike() -> None:
    """More than 200 requests: bodies, states, errors, filters, indexes, and queries that wait."""
    async with asking() as asked:
        replay = Replay(asked)
        waiting: dict[str, asyncio.Task[Answer]] = {}
        for one in RECORDED:
            for other in RECORDED:
                if other.get("sent_before") == one["name"]:
                    waiting[other["name"]] = asyncio.create_task(replay.send(other))
                    await until_waiting(asked, waiting[other["name"]])
            sent = waiting.pop(one["name"], None)
            answer = await (sent or replay.send(one))
            if one["path"].startswith("/v1/catalog/services") and answer.status == 200:
                answer = Answer(answer.status, answer.headers, sort_tags(answer.body))
                one = {**one, "body": sort_tags(one["body"])}
            try:
                replay.compare(one, answer)
            except AssertionError as error:
                raise AssertionError(f"{one['name']}: {one['method']} {one['path']}: {error}") from error


async def until_waiting(asked: Asking, sent: "asyncio.Task[Answer]") -> None:
    """Wait until a query waits, or has waited."""
    await await_until(lambda: bool(asked.registry.waiting._waiting) or sent.done(), 10)
