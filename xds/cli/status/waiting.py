"""Waits until a catalog is in effect, and decides from a status whether it is."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from xds.cli.admin_client import AdminClient, AdminError, Json
from xds.wording import printable

FIRST_DELAY, MAX_DELAY = 0.05, 2.0
"""Seconds between two requests. The delay starts short, since most changes are in effect at once, and grows."""


SHOWN_CLUSTERS = 5


class Stage(Enum):
    """The stage of a catalog: in effect, refused, or not in effect yet."""

    IN_EFFECT = "in effect"
    REFUSED = "refused"
    PENDING = "not in effect"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The stage of a catalog by a status. `reason` is for people, and empty when the catalog is in effect."""

    stage: Stage
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last status, its verdict, and the seconds since the wait began."""

    status: Json
    verdict: Verdict
    seconds: float


def evaluate(status: Json, digest: str | None, least: int = 0) -> Verdict:
    """Return the stage of the catalog with this digest; None stands for the catalog that the server serves.

    `least` is the minimum number of connected clients: clients that crash because of a catalog refuse nothing.

    While a client is connected whose cluster the catalog does not name, no catalog is in effect: the client is a
    gateway or a sidecar with a wrong name, or one that the catalog has renamed.

    A NACK from before the server loaded this catalog does not count, unless something is sent again: an Envoy that is
    broken for another reason must not block every catalog.
    """
    catalog, clients = status["catalog"], status["clients"]
    if failed := status.get("failed_files"):
        what = f"{_count(len(failed), 'file')} met a bug in xds: its log has the error, and they are tried again"
        return Verdict(Stage.REFUSED, what)
    if digest is not None and catalog["digest"] != digest:
        return Verdict(Stage.PENDING, "the server has not loaded this catalog; does it serve another one?")
    if status.get("held"):
        return Verdict(Stage.REFUSED, "the server holds a removal: see `xds apply`")
    if not catalog["ok"]:
        return Verdict(Stage.REFUSED, "the server refused some of its files, and serves their last good state")
    if refusing := sum(_refuses(client, catalog["taken_at"]) for client in clients):
        return Verdict(Stage.REFUSED, f"by {refusing} of {_count(len(clients), 'client')}")
    if missing := _find_missing(status):
        return Verdict(Stage.PENDING, missing)
    if silent := status["silent_workers"]:
        return Verdict(Stage.PENDING, f"{_count(len(silent), 'worker')} did not answer")
    if behind := sum(not all(of_type["answered"] for of_type in client["types"]) for client in clients):
        return Verdict(Stage.PENDING, f"{behind} of {_count(len(clients), 'client')} did not answer")
    if len(clients) < least:
        return Verdict(Stage.PENDING, f"{_count(len(clients), 'client')} of at least {least} connected")
    return Verdict(Stage.IN_EFFECT)


def _find_missing(status: Json) -> str:
    """Return who gets nothing through a bug in xds, or since the catalog does not name it; empty: nobody."""
    clients = status["clients"]
    if failed := status.get("failed_clusters"):
        return f"{_count(len(failed), 'cluster')} met a bug in xds: its log has the error"
    unnamed = [client for client in clients if client.get("standing") in ("unknown", "kept")]
    return _describe_unnamed(unnamed, len(clients)) if unnamed else ""


def await_effect(client: AdminClient, digest: str | None, seconds: float, least: int = 0) -> Outcome:
    """Ask the server until the catalog with this digest is in effect or refused, or `seconds` are over.

    `digest` and `least` are as for `evaluate`. A server that does not answer may be starting, so AdminError is raised
    only if it does not answer at the end either.
    """
    start, delay = time.monotonic(), FIRST_DELAY
    while True:
        try:
            status = client.get("/status")
        except AdminError:
            if time.monotonic() - start >= seconds:
                raise
        else:
            outcome = Outcome(status, evaluate(status, digest, least), time.monotonic() - start)
            if outcome.verdict.stage is not Stage.PENDING or outcome.seconds >= seconds:
                return outcome
        time.sleep(max(0.0, min(delay, start + seconds - time.monotonic())))
        delay = min(1.5 * delay, MAX_DELAY)


def _describe_unnamed(unnamed: Sequence[Json], clients: int) -> str:
    hints = {client["cluster"]: client["did_you_mean"] for client in unnamed}
    words = [f'"{printable(name)}"' + (f" (now {printable(hint)}?)" if hint else "") for name, hint in hints.items()]
    more = f" and {len(words) - SHOWN_CLUSTERS} more" if len(words) > SHOWN_CLUSTERS else ""
    shown = ", ".join(words[:SHOWN_CLUSTERS])
    return f"the catalog does not name the node.cluster of {len(unnamed)} of {_count(clients, 'client')}: {shown}{more}"


def _refuses(client: Json, since: str) -> bool:
    nacks = [of_type["nack"] for of_type in client["types"] if of_type["nack"]]
    return any(nack["at"] is None or nack["at"] >= since for nack in nacks)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
