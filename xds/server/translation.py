"""Translation: from changes of documents and of instances to the next inventory, and what is not served of them.

It keeps the state of both. It knows nothing of streams, and is called in a thread.
"""

import hashlib
import time
from collections.abc import Collection, Mapping

from xds.catalog.assembly.workspace import BY_APPLY, BY_TIME, Checkpoint, LastGood, Outcome
from xds.endpoints.endpoint_set import REGISTERED
from xds.endpoints.providers import Providers
from xds.endpoints.unlisted import UnlistedServices
from xds.errors import Problem
from xds.resources.inventory import Inventory, build_inventory
from xds.server.clients.documents import HeldRemoval
from xds.server.instances import Updates
from xds.server.observe.counters import CatalogCounters
from xds.server.observe.spans import Spans
from xds.sources.document import Document

DOCUMENTS = "catalog"
"""The source of a removal that is held, for documents."""


class Translation:
    """Turns changes into inventories. Times are time.monotonic(). `sources` are the names of sources of instances."""

    def __init__(self, spans: Spans, counters: CatalogCounters, sources: Collection[str] = ()) -> None:
        self.last_good = LastGood(has_all_endpoints=not sources)
        self.providers = Providers(sources)
        self._unlisted = UnlistedServices(REGISTERED)
        self._spans = spans
        self._counters = counters
        self._since: dict[str, tuple[str, float]] = {}  # by provider: what is held of its instances, and since when

    def take_documents(
        self, documents: Mapping[str, Document | None], before: Inventory | None
    ) -> tuple[Outcome, Inventory, list[Problem]]:
        """Return what to serve after changes of documents, and the problems that instances have by them.

        Raises CatalogError when nothing was good yet.
        """
        started = time.monotonic_ns()
        with self._spans.open("check"):
            outcome = self.last_good.update(documents, time.monotonic())
        parsed = time.monotonic_ns()
        with self._spans.open("build"):
            self.providers.put_catalog(outcome.catalog)
            endpoints, problems = self.providers.publish()
            inventory = build_inventory(self._unlisted.add(outcome.catalog, endpoints), endpoints, before)
        self._counters.parses.observe(parsed - started)
        self._counters.builds.observe(time.monotonic_ns() - parsed)
        return outcome, inventory, problems

    def build_stored(self) -> Inventory:
        """Return the inventory of what was served before the start. Who still has endpoints of sources keeps them."""
        catalog = self.last_good.outcome.catalog
        self.providers.put_catalog(catalog)
        endpoints, _ = self.providers.publish()
        return build_inventory(catalog, endpoints)

    def go_back(self, state: Checkpoint) -> None:
        """Become what it was, after a failure."""
        self.last_good.go_back(state)
        self.providers.put_catalog(self.last_good.outcome.catalog)

    def take_instances(self, updates: Updates, before: Inventory) -> tuple[Inventory, list[Problem]]:
        """Return the inventory after some updates, and the problems that were not known before."""
        problems = self.providers.put_all(updates, before.catalog.mesh.brake_share)
        endpoints, withheld = self.providers.publish()
        catalog = self._unlisted.add(self.last_good.outcome.catalog, endpoints)
        return build_inventory(catalog, endpoints, before), problems + withheld

    def find_held_instances(self) -> tuple[HeldRemoval, ...]:
        """Return which providers' removals of instances are held."""
        now, held = time.monotonic(), self.providers.held
        self._since = {provider: one for provider, one in self._since.items() if provider in held}
        found = []
        for provider, instances in sorted(held.items()):
            text = repr((provider, sorted(instances))).encode(errors="replace")
            held_id = hashlib.sha256(text, usedforsecurity=False).hexdigest()[:16]
            if self._since.get(provider, ("", 0.0))[0] != held_id:
                self._since[provider] = held_id, now
            since = time.time() - (now - self._since[provider][1])
            services = sorted({service for service, _ in instances})
            reason = self.providers.explain_held(provider)
            found.append(HeldRemoval(held_id, provider, (), tuple(services), (), len(instances), since, reason))
        return tuple(found)

    def release_instances(self, confirm_after: float | None, held_ids: frozenset[str] = frozenset()) -> dict[str, str]:
        """Let go the instances that are held with these ids, or for so many seconds.

        Return by id how each removal was confirmed.
        """
        now, released = time.monotonic(), dict[str, str]()
        for provider, (held_id, since) in [*self._since.items()]:
            if held_id in held_ids:
                released[held_id] = BY_APPLY
            elif confirm_after is not None and now - since >= confirm_after:
                released[held_id] = BY_TIME
            else:
                continue
            self.providers.release(provider)
        return released

    def find_due(self, confirm_after: float | None) -> float | None:
        """Return when something is confirmed by time; None: never."""
        times = [] if confirm_after is None else [since + confirm_after for _, since in self._since.values()]
        return min([*times, *([due] if (due := self.last_good.due) is not None else [])], default=None)
