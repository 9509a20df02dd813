"""The steps of a chaos run: a pure function of its seed."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from tests.envoy_server.chaos.edits import EDITS, Edit, move_service
from tests.envoy_server.chaos.mistakes import lose_files, make_mistake
from tests.envoy_server.chaos.world import CALLED, GATEWAYS, SIDECAR, World, make_world, targets_of, who_may_answer

Texts = Mapping[str, str | None]
"""What is saved, by file and in this order; None deletes a file."""

ENVOYS: Final = (*GATEWAYS, SIDECAR)

OUTAGES: Final = {
    "kill": "the control plane is killed",
    "terminate": "the control plane ends by SIGTERM",
    "pause": "the control plane is stopped by SIGSTOP",
    "freeze": "no byte passes between the control plane and the Envoys",
    "cut": "all streams are cut",
}


PROBES: Final = 5
"""How many requests ask for a state. Each comes over a new connection."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A request that must be answered: through which Envoy, with which path and Host, and by which instances."""

    envoy: str
    path: str
    host: str
    instances: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """What is true after a step: the texts that are in effect, and how some requests are answered."""

    texts: Mapping[str, str]
    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What happens at once, and the state afterwards.

    The `saves` come during the `outage`, if there is one, and so does the restart of an Envoy. They are written by
    renaming, or `slowly` in place. If files are wrong then, they are restored after the state was compared.
    """

    kind: str
    words: str
    state: State
    saves: tuple[Texts, ...] = ()
    outage: str = ""
    envoy: str = ""
    slowly: bool = False
    is_wrong: bool = False


def make_steps(seed: int, *, kinds: Collection[str] = ()) -> Iterator[Step]:
    """Yield the steps of a seed, without an end. The first writes the catalog before anything runs.

    They come in rounds: each round has each kind of step once (of `kinds`, or of all), in a random order.
    """
    planner = _Planner(Random(seed))
    yield planner.step("start", "the first catalog", planner.world.files())
    while True:
        order = [kind for kind in KINDS_OF_STEPS if kind in (kinds or KINDS_OF_STEPS)]
        planner.chance.shuffle(order)
        for kind in order:
            yield KINDS_OF_STEPS[kind](planner)


def list_probes(world: World) -> tuple[Probe, ...]:
    """Return a request for each route of each gateway, and for each upstream of the sidecar."""
    routes = [(name, route) for name in GATEWAYS for route in world.gateways[name]["routes"]]
    asked = [(name, f"{route['prefix']}data", "any", targets_of(route)) for name, route in routes]
    asked += [(SIDECAR, "/data", name, [name]) for name in world.upstreams]
    own = world.services[CALLED].get("routes", [])
    asked += [(SIDECAR, f"{route['prefix']}data", CALLED, targets_of(route)) for route in own]
    return tuple(Probe(envoy, path, host, tuple(who_may_answer(world, names))) for envoy, path, host, names in asked)


class _Planner:
    """The world as it is meant to be after the steps so far, and the source of chance."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.world = make_world(chance)

    def step(self, kind: str, words: str, *saves: Texts, outage: str = "", envoy: str = "", **how: bool) -> Step:
        """Return a step after which the world is as it is now."""
        probes = list_probes(self.world)
        state = State(self.world.files(), tuple(self.chance.sample(probes, PROBES)))
        return Step(kind, words, state, saves, outage, envoy, **how)

    def change(self, edit: Edit) -> tuple[str, Texts] | None:
        """Make an edit. Return its words, and the files that it changes; None if there are none."""
        world = self.world.copy()
        words = edit(world, self.chance)
        before, after = self.world.files(), world.files()
        changed = [name for name in after if after[name] != before[name]]
        if words is None or not changed:
            return None
        self.world = world
        self.chance.shuffle(changed)
        return words, {name: after[name] for name in changed}

    def edit(self, *edits: Edit) -> tuple[str, Texts]:
        """Make one of these edits, or of all without any. It is tried until one applies."""
        while not (made := self.change(self.chance.choice(edits or EDITS))):
            pass
        return made

    def edits(self, number: int, *edits: Edit) -> tuple[str, list[Texts]]:
        """Make several of these edits, or of all."""
        made = [self.edit(*edits) for _ in range(number)]
        return "; ".join(words for words, _ in made), [texts for _, texts in made]


def _edit(edit: Edit, planner: _Planner) -> Step:
    """One edit; another if it never applies."""
    made = next((made for _ in range(9) if (made := planner.change(edit))), None) or planner.edit()
    return planner.step(edit.__name__, *made)


def _burst(planner: _Planner) -> Step:
    words, saves = planner.edits(planner.chance.randint(3, 8))
    return planner.step("burst", f"edits without a pause: {words}", *saves)


def _rewrite(planner: _Planner) -> Step:
    """Save all files, with services in other files."""
    words = "; ".join(planner.edit(move_service)[0] for _ in range(3))
    return planner.step("rewrite", f"all files: {words}", planner.world.files())


def _write_slowly(planner: _Planner) -> Step:
    words, texts = planner.edit()
    return planner.step("write slowly", f"in place, slowly: {words}", texts, slowly=True)


def _mistake(planner: _Planner) -> Step:
    """A mistake, often with a good edit of other files, and sometimes while the control plane is away."""
    words, wrong = make_mistake(planner.world, planner.chance)
    outage = planner.chance.choice(["", "", "kill", "terminate"])
    saves: list[Texts] = [wrong]
    if not outage and planner.chance.random() < 0.5:
        before = planner.world
        also, texts = planner.edit()
        if wrong.keys() & texts.keys():
            planner.world = before
        else:
            words, saves = f"{words}; {also}", [wrong, texts]
    return planner.step("mistake", words, *saves, outage=outage, is_wrong=True)


def _lose(planner: _Planner) -> Step:
    outage = planner.chance.choice(["", "", "kill"])
    files = lose_files(planner.world)
    return planner.step("lose", "every file is gone", files, outage=outage, is_wrong=True)


def _outage(outage: str, planner: _Planner) -> Step:
    """An outage, with edits, and sometimes with a restart of an Envoy."""
    words, saves = planner.edits(planner.chance.randint(0, 2))
    envoy = planner.chance.choice([*ENVOYS, "", "", ""])
    return planner.step(outage, words, *saves, outage=outage, envoy=envoy)


def _restart(planner: _Planner) -> Step:
    words, saves = planner.edits(planner.chance.randint(0, 1))
    return planner.step("restart an Envoy", words, *saves, envoy=planner.chance.choice(ENVOYS))


KINDS_OF_STEPS: Final[Mapping[str, Callable[[_Planner], Step]]] = {
    **{edit.__name__: partial(_edit, edit) for edit in EDITS},
    **{outage: partial(_outage, outage) for outage in OUTAGES},
    "burst": _burst,
    "rewrite": _rewrite,
    "write slowly": _write_slowly,
    "mistake": _mistake,
    "lose": _lose,
    "restart an Envoy": _restart,
}
