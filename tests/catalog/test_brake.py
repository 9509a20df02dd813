"""The brake: a change that takes away most of the mesh is not served until somebody confirms it."""

import pytest

from tests.catalog.catalogs import make_document
from xds.catalog.assembly.brake import takes_too_much
from xds.catalog.assembly.workspace import AGAIN_S, LastGood, Outcome

EDGE = "gateways: {edge: {port: 8080, routes: [{to: s0}]}}"


def write(*names: str, retries: int = 1) -> str:
    """Return the text of services."""
    return f"services: {{{', '.join(f'{name}: {{retries: {retries}, endpoints: [a:1]}}' for name in names)}}}"


class Operator:
    """Edits files, and looks at what is served. The clock advances when a test says so."""

    def __init__(self, **files: str) -> None:
        self.last_good = LastGood()
        self.now = 1000.0
        self.outcome = self.edit(**files)

    def edit(self, **files: str | None) -> Outcome:
        """Save some files, or delete those that are None."""
        documents = {
            f"{name}.yaml": None if text is None else make_document(text, f"{name}.yaml")
            for name, text in files.items()
        }
        self.outcome = self.last_good.update(documents, self.now)
        return self.outcome

    def confirm(self) -> None:
        """Confirm what is held."""
        assert self.outcome.held is not None
        assert self.last_good.confirm(self.outcome.held.id)
        self.edit()

    @property
    def served(self) -> list[str]:
        """The names of services and gateways that are served."""
        return sorted([*self.outcome.catalog.services, *self.outcome.catalog.gateways])

    @property
    def held(self) -> tuple[list[str], list[str]] | None:
        """The files that are held, and the names that they would remove."""
        held = self.outcome.held
        return ([*held.files], [*held.services, *held.gateways]) if held else None


def make_mesh(services: int = 6, mesh: str = "") -> Operator:
    """Return an operator of services with a file each, and a gateway."""
    files = {f"s{number}": write(f"s{number}") for number in range(services)}
    return Operator(**files, edge=EDGE, **({"mesh": f"mesh: {{brake: {mesh}}}"} if mesh else {}))


@pytest.mark.parametrize(
    ("before", "gone", "left", "is_too_much"),
    [
        (1, 1, 0, True),
        (1, 1, 1, False),
        (3, 2, 1, False),
        (4, 2, 2, False),
        (4, 3, 1, True),
        (4, 4, 4, True),
        (100, 50, 50, False),
        (100, 51, 49, True),
        (5, 0, 0, False),
    ],
)
def test_all_and_more_than_half_of_four_are_too_much(before: int, gone: int, left: int, *, is_too_much: bool) -> None:
    """A rename of the only service leaves one, so it is not the removal of all."""
    assert takes_too_much(before, gone, left, 50.0) is is_too_much


def test_a_file_that_removes_most_services_is_held() -> None:
    """Nothing goes. The outcome names the files and what they would remove."""
    operator = make_mesh()
    operator.edit(s1=None, s2=None, s3=None, s4="services: {}")
    assert operator.held == (["s1.yaml", "s2.yaml", "s3.yaml", "s4.yaml"], ["s1", "s2", "s3", "s4"])
    assert operator.served == ["edge", "s0", "s1", "s2", "s3", "s4", "s5"]
    assert operator.outcome.refused == ()
    operator.edit(s1=write("s1"), s2=write("s2"), s3=write("s3"), s4=write("s4"))
    assert operator.held is None
    assert operator.served == ["edge", "s0", "s1", "s2", "s3", "s4", "s5"]


def test_half_of_the_services_may_go() -> None:
    """An ordinary edit needs no confirmation."""
    operator = make_mesh()
    operator.edit(s1=None, s2=None, s3=None)
    assert operator.held is None
    assert operator.served == ["edge", "s0", "s4", "s5"]


def test_the_last_gateway_is_held_and_services_go() -> None:
    """What does not take away too much is taken."""
    operator = make_mesh()
    operator.edit(edge="services: {}", s1=None)
    assert operator.held == (["edge.yaml"], ["edge"])
    assert operator.served == ["edge", "s0", "s2", "s3", "s4", "s5"]


def test_other_edits_go_on_and_so_do_additions_of_the_same_file() -> None:
    """What changes in the file that is held does not: it is perhaps half of a file."""
    operator = Operator(all=write("a", "b", "c", "d", "e"), other=write("other"))
    operator.edit(all=write("a", "new", retries=3))
    assert operator.held == (["all.yaml"], ["b", "c", "d", "e"])
    assert operator.served == ["a", "b", "c", "d", "e", "new", "other"]
    retries = {name: one.retries.attempts for name, one in operator.outcome.catalog.services.items()}
    assert (retries["a"], retries["new"]) == (1, 3)
    operator.edit(other=write("other", retries=5))
    assert operator.outcome.catalog.services["other"].retries.attempts == 5
    operator.confirm()
    assert operator.served == ["a", "new", "other"]


def test_an_addition_that_needs_what_is_held_waits() -> None:
    """The gateway names a service that another file has taken over: nothing of it breaks what is served."""
    operator = Operator(all=write("a", "b", "c", "d", "e"))
    operator.edit(all="gateways: {edge: {port: 1, routes: [{to: nowhere}]}}\n" + write("a"))
    assert operator.served == ["a", "b", "c", "d", "e"]
    assert operator.outcome.refused == ("all.yaml",)


def test_services_that_move_to_other_files_are_not_removed() -> None:
    """A file that is split within one change is no removal."""
    operator = Operator(all=write("a", "b", "c", "d", "e"))
    operator.edit(all=None, one=write("a", "b"), two=write("c", "d", "e"))
    assert (operator.held, operator.served) == (None, ["a", "b", "c", "d", "e"])
    assert operator.outcome.refused == ()


def test_a_service_that_moves_to_a_file_with_a_mistake_stays() -> None:
    """Its old state is served until the new file is good."""
    operator = Operator(one=write("a", "b"), two=write("c"))
    operator.edit(one=write("a"), two=write("b", "c", retries=99))
    assert operator.served == ["a", "b", "c"]
    assert operator.held is None
    operator.edit(two=write("b", "c", retries=2))
    assert operator.served == ["a", "b", "c"]
    assert operator.outcome.refused == ()


def test_a_move_beside_a_removal_that_is_held_breaks_nothing() -> None:
    """The file that gets what the held file still has waits with it."""
    operator = Operator(all=write("a", "b", "c", "d", "e"), other=write("other"))
    operator.edit(all="services: {}", other=write("other", "a", retries=2), third=write("third"))
    assert operator.held == (["all.yaml", "other.yaml"], ["b", "c", "d", "e"])
    assert operator.served == ["a", "b", "c", "d", "e", "other", "third"]
    operator.confirm()
    assert (operator.served, operator.outcome.refused) == (["a", "other", "third"], ())


def test_a_removal_in_steps_is_one_removal() -> None:
    """A slow `rm` is seen in several changes. After a minute they count no more."""
    operator = make_mesh(8)
    for number in range(1, 8):
        operator.now += 1
        operator.edit(**{f"s{number}": None})
    assert operator.served == ["edge", "s0", "s5", "s6", "s7"]
    assert operator.held == (["s5.yaml", "s6.yaml", "s7.yaml"], ["s5", "s6", "s7"])
    operator.edit(**{f"s{number}": write(f"s{number}") for number in (5, 6, 7)})
    assert operator.held is None
    operator.now += 100
    operator.edit(s7=None, s6=None)
    assert (operator.held, operator.served) == (None, ["edge", "s0", "s5"])


def test_services_that_are_renamed_one_after_the_other_are_not_held() -> None:
    """There are as many as before."""
    operator = Operator(all=write("a", "b"), edge="gateways: {edge: {port: 1, routes: [{to: a}]}}")
    for number in range(20):
        operator.now += 1
        operator.edit(
            all=write("a", f"b{number}"), edge=f"gateways: {{edge-{number}: {{port: 1, routes: [{{to: a}}]}}}}"
        )
        assert operator.served == ["a", f"b{number}", f"edge-{number}"]


def test_a_second_save_confirms() -> None:
    """It must be the same state, and later than the first: an editor may write twice for one save."""
    operator = Operator(all=write("a", "b", "c", "d"))
    operator.edit(all=write("a"))
    operator.edit(all=write("a"))
    assert operator.held is not None
    operator.now += AGAIN_S
    operator.edit(all=write("a", "b") + "# another state\n")
    operator.edit(all=write("a"))
    assert operator.held is not None
    operator.now += AGAIN_S
    operator.edit(all=write("a"))
    assert operator.served == ["a"]


def test_a_confirmation_is_of_what_was_shown() -> None:
    """An id of another state confirms nothing."""
    operator = make_mesh()
    operator.edit(s1=None, s2=None, s3=None, s4=None)
    assert operator.outcome.held is not None
    shown = operator.outcome.held.id
    operator.edit(s5=None)
    assert not operator.last_good.confirm(shown)
    operator.edit()
    assert operator.served == ["edge", "s0", "s1", "s2", "s3", "s4", "s5"]
    operator.confirm()
    assert operator.served == ["edge", "s0"]


def test_the_share_can_be_set() -> None:
    """`off` holds nothing. A change cannot release the brake for itself."""
    operator = make_mesh(10, "10%")
    operator.edit(s1=None, s2=None)
    assert operator.held == (["s1.yaml", "s2.yaml"], ["s1", "s2"])
    operator = make_mesh(10, "off")
    operator.edit(edge=None, **{f"s{number}": None for number in range(1, 10)})
    assert (operator.held, operator.served) == (None, ["s0"])
    operator = Operator(all=write("a", "b"))
    operator.edit(all="services: {}\nmesh: {brake: off}")
    assert operator.served == ["a", "b"]


def test_time_confirms_where_the_catalog_says_so() -> None:
    """By default it does not."""
    operator = make_mesh(6, "{confirm_after: 10m}")
    assert operator.last_good.due is None
    operator.edit(s1=None, s2=None, s3=None, s4=None)
    assert operator.last_good.due == operator.now + 600
    operator.now += 599
    operator.edit()
    assert operator.held is not None
    operator.now += 1
    operator.edit()
    assert (operator.held, operator.served) == (None, ["edge", "s0", "s5"])
    operator = make_mesh(6)
    operator.edit(s1=None, s2=None, s3=None, s4=None)
    assert operator.last_good.due is None


def test_a_removal_is_held_beside_a_mistake_elsewhere() -> None:
    """One by one the removals would pass."""
    operator = make_mesh()
    operator.edit(s1=None, s2=None, s3=None, s4=None, s5=write("s5", retries=99), new=write("new"))
    assert operator.held == (["s1.yaml", "s2.yaml", "s3.yaml", "s4.yaml"], ["s1", "s2", "s3", "s4"])
    assert operator.outcome.refused == ("s5.yaml",)
    assert operator.served == ["edge", "new", "s0", "s1", "s2", "s3", "s4", "s5"]


def test_going_back_restores_everything() -> None:
    """After a fault of ours the state is what it was: documents, what is served, and what is held."""
    operator = make_mesh()
    operator.edit(s1=None, s2=None, s3=None, s4=None, s0=write("s0", retries=99))
    before, state = operator.outcome, operator.last_good.save()
    operator.edit(s0=write("s0"), s1=write("s1"), more=write("more"))
    operator.last_good.go_back(state)
    after = operator.edit()
    assert (after.held, after.refused, after.problems) == (before.held, before.refused, before.problems)
    assert after.catalog == before.catalog


MOST, RENAMED = write(*(f"s{number}" for number in range(8))), write("s0", "s1", "s2", "t3", "t4", "t5", "t6", "t7")
OLD = [f"s{number}" for number in range(8)]
NEW = [f"t{number}" for number in range(3, 8)]


def test_restored_files_take_back_what_was_added_beside_what_was_held() -> None:
    """Nothing is left that makes the catalog look larger, or that has a name which is wanted."""
    operator = Operator(all=MOST)
    operator.edit(all=RENAMED)
    assert operator.served == [*OLD, *NEW]
    operator.edit(all=MOST)
    assert (operator.held, operator.served) == (None, OLD)
    operator.edit(all=write("s0", "s1", "s2"))
    assert operator.held == (["all.yaml"], OLD[3:])
    outcome = operator.edit(all=write(*OLD[:7], "t3"))
    assert (outcome.held, operator.served, outcome.refused) == (None, [*OLD[:7], "t3"], ())


def test_what_is_added_counts_for_nothing_while_it_is_held() -> None:
    """Half of what was taken is too much, however much is served beside it. Nor is it missed when it goes."""
    operator = Operator(all=MOST)
    operator.edit(all=RENAMED)
    operator.edit(all=write("s0", "s1", "s2", "t3"))
    assert operator.held == (["all.yaml"], OLD[3:])
    assert operator.served == [*OLD, "t3"]
    assert operator.edit(all=write(*OLD[:4])).held is None
    assert operator.served == OLD[:4]


@pytest.mark.parametrize("then", ["services: [", "services: {s0: {retries: 99}}", None])
def test_a_mistake_in_a_file_that_is_held_takes_nothing_away(then: str | None) -> None:
    """Clients may use what it added. The next good version decides."""
    operator = Operator(all=MOST, other=write("other"))
    operator.edit(all=RENAMED)
    operator.edit(other=write("other") + "\ngateways: {edge: {port: 1, routes: [{to: t3}]}}")
    assert operator.served == sorted(["edge", "other", *OLD, *NEW])
    operator.edit(all=then)
    assert operator.served == sorted(["edge", "other", *OLD, *NEW])
    operator.edit(all=MOST)
    assert operator.outcome.refused == ("all.yaml",)
    outcome = operator.edit(other=write("other") + "\ngateways: {edge: {port: 1, routes: [{to: s3}]}}")
    assert (operator.served, outcome.refused) == (sorted(["edge", "other", *OLD]), ())


def test_what_is_held_can_be_moved_to_a_file_of_its_own() -> None:
    """The addition goes with the file that takes it over."""
    operator = Operator(all=MOST)
    operator.edit(all=RENAMED)
    operator.edit(all=write("s0", "s1", "s2"), more=write(*NEW, retries=2))
    assert operator.held == (["all.yaml"], OLD[3:])
    assert operator.served == [*OLD, *NEW]
    assert operator.outcome.catalog.services["t3"].retries.attempts == 2
    operator.confirm()
    assert operator.served == sorted(["s0", "s1", "s2", *NEW])


def test_a_folder_that_has_no_file_any_more_is_held() -> None:
    """A folder that is moved away or not mounted is more often an accident than meant, however few services it has."""
    files = {f"catalog/s{number}": write(f"s{number}") for number in range(8)}
    operator = Operator(**files, **{"catalog/team/x": write("x"), "catalog/team/deep/y": write("y")})
    operator.edit(**{"catalog/team/x": None})
    assert operator.held is None
    operator.edit(**{"catalog/team/deep/y": None})
    assert operator.held == (["catalog/team/deep/y.yaml"], ["y"])
    assert operator.outcome.held is not None
    assert operator.outcome.held.reason == "the folder catalog/team/deep has no YAML file any more"
    operator.edit(**{"catalog/team/deep/other": write("z")})
    assert (operator.held, operator.served) == (None, [*OLD, "z"])
    operator.edit(**{"catalog/team/deep/other": None})
    operator.confirm()
    assert operator.served == OLD


def test_a_folder_that_is_renamed_is_not_held() -> None:
    """Its services are moved, and not removed. Without a brake a folder goes as a file does."""
    operator = Operator(**{"catalog/a": write("a"), "catalog/team/x": write("x", "y")})
    operator.edit(**{"catalog/team/x": None, "catalog/other/x": write("x", "y")})
    assert (operator.held, operator.served) == (None, ["a", "x", "y"])
    operator = Operator(**{"catalog/a": write("a") + "\nmesh: {brake: off}", "catalog/team/x": write("x", "y")})
    operator.edit(**{"catalog/team/x": None})
    assert (operator.held, operator.served) == (None, ["a"])


def test_a_removal_that_is_held_says_why() -> None:
    """Also where it is one service: it counts with those before it."""
    operator = make_mesh(8)
    for number, reason in ((1, ""), (2, ""), (3, ""), (4, ""), (5, "5 of 8 services would be gone within a minute")):
        operator.edit(**{f"s{number}": None})
        assert (operator.outcome.held.reason if operator.outcome.held else "").partition(", more")[0] == reason
    operator = make_mesh(6)
    operator.edit(edge="services: {}", **{f"s{number}": None for number in range(1, 6)})
    assert operator.outcome.held is not None
    assert operator.outcome.held.reason == "5 of 6 services would be gone, more than 50%; no gateway would be left"


def test_an_outcome_says_how_removals_were_confirmed() -> None:
    """What is taken without a confirmation is named too."""
    operator = Operator(all=write("a", "b", "c", "d"), other=write("other"), mesh="mesh: {brake: {confirm_after: 9s}}")
    operator.edit(all=write("a"), other=write("other", retries=2))
    assert operator.outcome.taken == {"other.yaml": None}
    operator.now += AGAIN_S
    operator.edit(all=write("a"))
    assert operator.outcome.taken == {"all.yaml": "a second save"}
    operator.edit(all=write("a", "b", "c", "d"))
    operator.edit(all=write("a"))
    operator.now += 9
    operator.edit()
    assert operator.outcome.taken == {"all.yaml": "`brake.confirm_after`"}
    operator.edit(all=write("a", "b", "c", "d"))
    operator.edit(all=write("a"))
    operator.confirm()
    assert operator.outcome.taken == {"all.yaml": "`xds apply --yes`"}


def test_a_confirmation_lasts_until_the_removal_fits() -> None:
    """A service that is still called stays. It goes with the last call, without another confirmation."""
    operator = Operator(all=write("a", "b", "c", "d"), edge="gateways: {edge: {port: 1, routes: [{to: d}]}}")
    operator.edit(all=write("a"))
    operator.confirm()
    assert (operator.held, operator.outcome.refused) == (None, ("all.yaml",))
    assert operator.served == ["a", "b", "c", "d", "edge"]
    operator.edit(edge="gateways: {edge: {port: 1, routes: [{to: a}]}}")
    assert (operator.held, operator.served) == (None, ["a", "edge"])
