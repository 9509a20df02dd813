"""Translation: from changes of documents and of instances to the next inventory, and what is not served of them.

It keeps the state of both. It knows nothing of streams, and is called in a thread.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from xds.catalog.assembly.workspace import Checkpoint, LastGood, Outcome
from xds.catalog.model.endpoint import Endpoint
from xds.endpoints.instance import parse_update
from xds.endpoints.registry import Registry
from xds.errors import Problem
from xds.resources.inventory import Inventory, build_inventory
from xds.server.clients.documents import HeldRemoval
from xds.server.instances import Updates
from xds.server.observe.counters import CatalogCounters
from xds.server.observe.spans import Spans
from xds.sources.document import Document
from xds.sources.source import InstanceId

CATALOG = "catalog"
"""The source of a removal that is held, for documents."""


@dataclass(slots=True)
class _Update:
    """What one provider said in a tick, as one update."""

    changes: dict[InstanceId, Endpoint | None] = field(default_factory=dict)
    refused: set[InstanceId] = field(default_factory=set)
    full: bool = False


class Translation:
    """Turns changes into inventories. Times are time.monotonic()."""

    def __init__(self, spans: Spans, counters: CatalogCounters) -> None:
        self.last_good = LastGood()
        self._registry = Registry()
        self._spans = spans
        self._counters = counters
        self._refused: dict[str, dict[InstanceId, tuple[Problem, ...]]] = {}
        self._withheld: Mapping[str, int] = {}
        self._since: dict[str, tuple[str, float]] = {}  # by provider: what is held of its instances, and since when

    def take_documents(
        self, documents: Mapping[str, Document | None], before: Inventory | None
    ) -> tuple[Outcome, Inventory]:
        """Return what to serve after changes of documents. Raises CatalogError when nothing was good yet."""
        started = time.monotonic_ns()
        with self._spans.open("check"):
            outcome = self.last_good.update(documents, time.monotonic())
        parsed = time.monotonic_ns()
        with self._spans.open("build"):
            self._registry.put_catalog(outcome.catalog)
            inventory = build_inventory(outcome.catalog, self._registry.publish(), before)
        self._counters.parses.observe(parsed - started)
        self._counters.builds.observe(time.monotonic_ns() - parsed)
        return outcome, inventory

    def go_back(self, state: Checkpoint) -> None:
        """Become what it was, after a failure."""
        self.last_good.go_back(state)
        self._registry.put_catalog(self.last_good.outcome.catalog)

    def take_instances(self, updates: Updates, before: Inventory) -> tuple[Inventory, list[Problem]]:
        """Return the inventory after some updates, and the problems that were not known before."""
        problems: list[Problem] = []
        merged: dict[str, _Update] = {}
        for provider, update in updates:
            parsed = parse_update(provider, update)
            one = merged.setdefault(provider, _Update())
            if update.full:
                one.full = True
                one.changes = {name: was for name, was in one.changes.items() if name in parsed.refused}
                one.refused.clear()
            one.refused -= update.instances.keys()
            one.refused |= parsed.refused.keys()
            one.changes |= parsed.endpoints
            known = self._refused.setdefault(provider, {})
            for instance, found in parsed.refused.items():
                problems += () if known.get(instance) == found else found
            mended = known.keys() if update.full else update.instances
            self._refused[provider] = {name: one for name, one in known.items() if name not in mended} | parsed.refused
        share = before.catalog.mesh.brake_share
        for provider, one in merged.items():
            self._registry.put(provider, one.changes, full=one.full, refused=frozenset(one.refused), share=share)
        endpoints = self._registry.publish()
        problems += self._find_newly_withheld()
        return build_inventory(before.catalog, endpoints, before), problems

    def find_held_instances(self) -> tuple[HeldRemoval, ...]:
        """Return which providers' removals of instances are held."""
        now, held = time.monotonic(), self._registry.held
        self._since = {provider: one for provider, one in self._since.items() if provider in held}
        found = []
        for provider, instances in sorted(held.items()):
            text = repr((provider, sorted(instances))).encode(errors="replace")
            held_id = hashlib.sha256(text, usedforsecurity=False).hexdigest()[:16]
            if self._since.get(provider, ("", 0.0))[0] != held_id:
                self._since[provider] = held_id, now
            since = time.time() - (now - self._since[provider][1])
            services = sorted({service for service, _ in instances})
            found.append(HeldRemoval(held_id, provider, (), tuple(services), (), len(instances), since))
        return tuple(found)

    def release_instances(self, confirm_after: float | None, held_ids: frozenset[str] = frozenset()) -> None:
        """Let go the instances that are held with these ids, or for so many seconds."""
        now = time.monotonic()
        for provider, (held_id, since) in [*self._since.items()]:
            if held_id in held_ids or (confirm_after is not None and now - since >= confirm_after):
                self._registry.release(provider)

    def find_due(self, confirm_after: float | None) -> float | None:
        """Return when something is confirmed by time; None: never."""
        times = [] if confirm_after is None else [since + confirm_after for _, since in self._since.values()]
        return min([*times, *([due] if (due := self.last_good.due) is not None else [])], default=None)

    def _find_newly_withheld(self) -> list[Problem]:
        """Return a problem for each service of which more instances are withheld than were told."""
        withheld = self._registry.withheld
        problems = [
            Problem(
                "endpoints",
                0,
                0,
                f"services.{name}.tls",
                f"{count} instances with an IP address are not served, since nothing says which name their certificate "
                "must have: write `sni` or `subject_alt_names`",
            )
            for name, count in withheld.items()
            if count > self._withheld.get(name, 0)
        ]
        self._withheld = withheld
        return problems
