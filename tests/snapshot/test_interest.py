"""The index of who asked for what finds exactly those whom a change concerns."""

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from tests.sampling import examples
from tests.snapshot.test_work import count_calls
from xds.snapshot.interest import MAX_INDEXED, Asked, Interests
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER

NAMES = ("a", "b", "c", "d", "a:80", "b:443")
TYPES = (CLUSTER, LISTENER)
MANY = frozenset(f"service-{number}" for number in range(MAX_INDEXED + 1))
"""More names than the index has of one set."""

asked = st.none() | st.frozensets(st.sampled_from(NAMES)) | st.sampled_from([MANY, MANY | {"a"}])
changes = st.dictionaries(st.sampled_from(TYPES), st.frozensets(st.sampled_from(NAMES), min_size=1), min_size=1)
events = st.tuples(st.integers(0, 4), st.sampled_from(TYPES), st.just("drop") | asked | st.booleans())


def is_asked(type_url: str, asked: Asked, names: frozenset[str]) -> bool:
    """Whether one who asks for this is concerned. A gRPC client asks for `a` by the target `a:80`."""
    if asked is None:
        return True
    return bool(asked & names) or (type_url == LISTENER and any(name.partition(":")[0] in names for name in asked))


@examples(500)
@given(st.lists(events, max_size=30), changes)
def test_those_who_asked_are_found_and_nobody_else(
    said: list[tuple[int, str, str | bool | Asked]], changed: dict[str, frozenset[str]]
) -> None:
    """This holds whatever they asked for before, and after they moved to another index."""
    interests, other = Interests[int](), Interests[int]()
    wants: dict[int, dict[str, Asked]] = {}
    always: set[int] = set()
    for who, type_url, what in said:
        if isinstance(what, bool):
            interests.note_always(who, always=what)
            (always.add if what else always.discard)(who)
        elif what == "drop":
            interests.drop(who)
            wants.pop(who, None)
            always.discard(who)
        else:
            assert not isinstance(what, str)
            interests.note(who, type_url, what)
            wants.setdefault(who, {})[type_url] = what
    expected = always | {
        who
        for who, of in wants.items()
        if any(type_url in of and is_asked(type_url, of[type_url], names) for type_url, names in changed.items())
    }
    for index in (interests, other):
        assert index.find(changed) == expected
        assert {who for who in range(5) if index.concerns(who, changed)} == expected
        for who in range(5):
            index.move(who, other if index is interests else Interests[int]())
        assert index.find(changed) == set()
        assert not any(
            of_type._by_name or of_type._by_asked or of_type._compared for of_type in index._by_type.values()
        )


def test_a_change_costs_the_same_for_any_number_of_those_who_did_not_ask() -> None:
    """Whether they ask for a few names, each for others, or for many, all for the same."""
    costs = []
    for followers in (1, 100):
        interests = Interests[int]()
        for who in range(followers):
            interests.note(who, CLUSTER, frozenset({f"cluster-{who}", f"cluster-{who + 1}"}))
            interests.note(who, CLUSTER_LOAD_ASSIGNMENT, MANY)
        interests.note(-1, CLUSTER, frozenset({"a"}))
        names = {CLUSTER: frozenset({"a"}), CLUSTER_LOAD_ASSIGNMENT: frozenset({"a"})}
        assert interests.find(names) == {-1}
        costs.append(count_calls(partial(interests.find, names)))
    assert costs[0] == costs[1]
