"""Waiting for a catalog to be in effect: what a status says of it, and asking until it says so or time is up."""

import time
from dataclasses import dataclass
from enum import Enum

from xds.cli.admin_client import AdminClient, AdminError, Json

FIRST_DELAY, MAX_DELAY = 0.05, 2.0
"""Seconds from one question to the next: short at first, since most changes are in effect at once."""


class Stage(Enum):
    """How far a catalog has got."""

    IN_EFFECT = "in effect"
    REFUSED = "refused"
    ON_ITS_WAY = "not in effect"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a status says of a catalog; `reason` is for people, and empty when it is in effect."""

    stage: Stage
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last status that was had, its verdict, and after how many seconds of waiting."""

    status: Json
    verdict: Verdict
    seconds: float


def judge(status: Json, digest: str | None, least: int = 0) -> Verdict:
    """Say how far the catalog of that digest has got; None is for the one that is served, whichever it is.

    At least so many clients have to be connected: those that a catalog makes crash refuse nothing.

    A refusal that stood before the server took this catalog, and of which nothing is on its way, is none of this
    catalog: an Envoy that is broken for reasons of its own holds up nobody.
    """
    catalog, clients = status["catalog"], status["clients"]
    if digest is not None and catalog["digest"] != digest:
        return Verdict(Stage.ON_ITS_WAY, "the server has not taken this catalog; is it the one that it serves?")
    if not catalog["ok"]:
        return Verdict(Stage.REFUSED, "the server does not serve all files as they are")
    if refusing := sum(_refuses(client, catalog["taken_at"]) for client in clients):
        return Verdict(Stage.REFUSED, f"by {refusing} of {_count(len(clients), 'client')}")
    if silent := status["silent_workers"]:
        return Verdict(Stage.ON_ITS_WAY, f"{_count(len(silent), 'worker')} did not answer for their clients")
    if behind := sum(not all(of_type["answered"] for of_type in client["types"]) for client in clients):
        return Verdict(Stage.ON_ITS_WAY, f"{behind} of {_count(len(clients), 'client')} did not answer")
    if len(clients) < least:
        return Verdict(Stage.ON_ITS_WAY, f"{_count(len(clients), 'client')} of at least {least} connected")
    return Verdict(Stage.IN_EFFECT)


def await_effect(client: AdminClient, digest: str | None, seconds: float, least: int = 0) -> Outcome:
    """Ask until the catalog of that digest is in effect, with so many clients at least, or refused, or time is over.

    A server that cannot be asked may be about to start: AdminError comes when it cannot be asked at the end either.
    """
    start, delay = time.monotonic(), FIRST_DELAY
    while True:
        try:
            status = client.get("/status")
        except AdminError:
            if time.monotonic() - start >= seconds:
                raise
        else:
            outcome = Outcome(status, judge(status, digest, least), time.monotonic() - start)
            if outcome.verdict.stage is not Stage.ON_ITS_WAY or outcome.seconds >= seconds:
                return outcome
        time.sleep(max(0.0, min(delay, start + seconds - time.monotonic())))
        delay = min(1.5 * delay, MAX_DELAY)


def _refuses(client: Json, since: str) -> bool:
    nacks = [of_type["nack"] for of_type in client["types"] if of_type["nack"]]
    return any(nack["at"] is None or nack["at"] >= since for nack in nacks)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
