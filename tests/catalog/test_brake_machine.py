"""Random edits, mistakes, deletions, confirmations and restored files: what is served is what a simple model says."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.catalog.test_brake import Operator
from tests.sampling import examples
from xds.catalog.assembly.workspace import AGAIN_S, Outcome

FILES = ["a", "b", "team/c", "team/d"]
SERVICES = [f"s{number}" for number in range(8)]
Defined = dict[str, int]
"""The services of a file, and the retries of each, by which its versions differ."""

CONTENTS = st.dictionaries(st.sampled_from(SERVICES), st.integers(1, 3), max_size=8)
GATEWAYS = st.none() | st.tuples(st.sampled_from(["edge", "other"]), st.sampled_from(SERVICES))


def write(defined: Defined, gateway: tuple[str, str] | None) -> str:
    """Return the text of a file. A gateway has a port of its own, and names a service of any file."""
    services = ", ".join(f"{name}: {{retries: {retries}, endpoints: [a:1]}}" for name, retries in defined.items())
    gateways = (
        "" if gateway is None else f"\ngateways: {{{gateway[0]}: {{port: 8080, routes: [{{to: {gateway[1]}}}]}}}}"
    )
    return f"services: {{{services}}}{gateways}"


class Machine(RuleBasedStateMachine):
    """The model knows of each file its text, the text that was taken last, and those that were held since."""

    @initialize(names=st.lists(st.sampled_from(SERVICES), unique=True, min_size=1))
    def begin(self, names: list[str]) -> None:
        """Start with a good catalog: each service is in one file, with retries of 1."""
        self.texts: dict[str, str | None] = dict.fromkeys(FILES)
        self.defined: dict[str, Defined] = {file: {} for file in FILES}
        for place, name in enumerate(names):
            self.defined[FILES[place % len(FILES)]][name] = 1
        self.texts |= {file: write(defined, None) for file, defined in self.defined.items() if defined}
        self.good = self.defined.copy()
        self.good_texts = self.texts.copy()
        self.added: dict[str, list[Defined]] = {}
        self.operator = Operator(**{file: text for file, text in self.texts.items() if text is not None})
        self.note(self.operator.outcome)

    def note(self, outcome: Outcome) -> None:
        """Note what was taken, and what is held."""
        held = {name.removesuffix(".yaml") for name in outcome.held.files} if outcome.held else set[str]()
        waits = held | {name.removesuffix(".yaml") for name in outcome.refused}
        for file in FILES:
            if file not in waits:
                self.good[file], self.good_texts[file] = self.defined[file], self.texts[file]
                self.added.pop(file, None)
            elif file in held and self.texts[file] is not None:
                self.added.setdefault(file, []).append(self.defined[file])
        self.waits = waits

    def save(self, texts: dict[str, str | None], defined: dict[str, Defined]) -> None:
        """Save files."""
        self.texts |= texts
        self.defined |= defined
        self.note(self.operator.edit(**texts))

    @rule(file=st.sampled_from(FILES), defined=CONTENTS, gateway=GATEWAYS)
    def edit(self, file: str, defined: Defined, gateway: tuple[str, str] | None) -> None:
        """Save a file. It may define what another has too, and name what does not exist."""
        self.save({file: write(defined, gateway)}, {file: defined})

    @rule(names=st.lists(st.sampled_from(SERVICES), unique=True, max_size=8), seed=st.randoms(use_true_random=False))
    def edit_all(self, names: list[str], seed: object) -> None:
        """Save all files, so that no service is in two: some are moved, some go, some are new."""
        places = {name: seed.choice(FILES) for name in names}  # type: ignore[attr-defined]
        defined = {file: {name: 2 for name in names if places[name] == file} for file in FILES}
        self.save({file: write(one, None) for file, one in defined.items()}, defined)

    @rule(files=st.lists(st.sampled_from(FILES), unique=True, min_size=1))
    def delete(self, files: list[str]) -> None:
        """Delete files."""
        self.save(dict.fromkeys(files), {file: {} for file in files})

    @rule(file=st.sampled_from(FILES), text=st.sampled_from(["services: [", "services: {s0: {retries: 99}}"]))
    def make_mistake(self, file: str, text: str) -> None:
        """Save a file with a mistake of its own."""
        self.save({file: text}, {file: {}})

    @precondition(lambda self: self.operator.outcome.held)
    @rule()
    def confirm(self) -> None:
        """Confirm what is held."""
        self.operator.confirm()
        self.note(self.operator.outcome)

    @rule(file=st.sampled_from(FILES))
    def save_again(self, file: str) -> None:
        """Save a file as it is, which may confirm it."""
        self.operator.now += AGAIN_S
        self.save({file: self.texts[file]}, {})

    @rule()
    def wait(self) -> None:
        """What went before counts no more."""
        self.operator.now += 100

    @rule()
    def go_back(self) -> None:
        """A fault of xds is undone."""
        state = self.operator.last_good.save()
        self.operator.last_good.update({f"{file}.yaml": None for file in FILES}, self.operator.now)
        self.operator.last_good.go_back(state)
        self.note(self.operator.edit())

    @rule()
    def restore(self) -> None:
        """Restore every file: nothing is held or refused then, and nothing else is served."""
        self.save(self.good_texts.copy(), self.good.copy())
        outcome = self.operator.outcome
        assert (outcome.held, outcome.refused) == (None, ())

    @invariant()
    def serves_what_is_good_and_what_is_added(self) -> None:
        """Every good service is served as it was taken; all else is an addition of a file that waits."""
        served = {name: one.retries.attempts for name, one in self.operator.outcome.catalog.services.items()}
        good = {name: retries for defined in self.good.values() for name, retries in defined.items()}
        assert {name: served.get(name) for name in good} == good
        assert self.added.keys() <= self.waits
        for name in served.keys() - good.keys():
            assert served[name] in {defined.get(name) for held in self.added.values() for defined in held}
        if not self.waits:
            assert served == good


def test_what_is_served_is_what_was_taken_and_what_is_added_by_what_is_held() -> None:
    """No service is lost by an edit that waits, and none stays that nothing explains."""
    run_state_machine_as_test(
        Machine,
        settings=settings(examples(500), stateful_step_count=25, suppress_health_check=[HealthCheck.filter_too_much]),
    )
