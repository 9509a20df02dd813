"""A secret that the client refuses takes nothing down: what named the old one is served again."""

from tests.session.client import Contents, DeltaClient, Reply, SotwClient, contents_of
from tests.session.test_refused import held_of, known, listener
from xds.wire import CLUSTER, LISTENER, SECRET

Client = SotwClient | DeltaClient
OLD: Contents = {SECRET: {"old": "1"}, LISTENER: {"l": "1 with old"}}
NEW: Contents = {SECRET: {"old": None, "new": "1"}, LISTENER: {"l": "1 with new"}}


def wants(
    client: Client, *names: str, drop: str | None = None, to: Reply | None = None, error: str = ""
) -> list[Reply]:
    """Ask for exactly these secrets: of them, `names[-1]` is new to a delta client. Or answer a response."""
    if isinstance(client, SotwClient):
        return [*client.ask(SECRET, *names, to=to, error=error)]
    if to is not None:
        return [*client.ask(SECRET, to=to, error=error)]
    return [*(client.ask(SECRET, drop=(drop,)) if drop else client.ask(SECRET, names[-1]))]


def begin(make: type[Client], contents: Contents = OLD, type_url: str = LISTENER) -> Client:
    """Return a client that has accepted everything."""
    client = make(contents)
    for response in client.ask(type_url):
        client.ask(type_url, to=response)
    for response in wants(client, "old"):
        wants(client, "old", to=response)
    return client


def accept(client: Client, response: Reply) -> list[Reply]:
    """Accept a response of a type without names."""
    return [*client.ask(response.type_url, to=response)]


def refuse_new(client: Client, edit: Contents = NEW) -> list[Reply]:
    """Make an edit, accept what names the new secret, ask for that and refuse it. Return what is sent then."""
    [naming] = client.change(edit)
    assert accept(client, naming) == []
    [secret] = wants(client, "old", "new")
    assert contents_of(secret) == ["new=1"]
    return wants(client, "old", "new", to=secret, error="Invalid path")


def test_32_a_listener_goes_back_when_its_new_secret_is_refused(make: type[Client]) -> None:
    """The client asks for a secret only when it has accepted the listener that names it, and then has no TLS."""
    client = begin(make)
    [back] = refuse_new(client)
    assert contents_of(back) == ["l=1 with old"]
    assert accept(client, back) == []
    assert held_of(client) == [("old", True, "refused"), ("l", False, "refused")]
    assert client.session.describe_held()[0].refused == ("Secret new",)


def test_32_a_refused_secret_is_told_when_the_client_no_longer_asks_for_it(make: type[Client]) -> None:
    """Nothing is corrected by that, so what is held stays."""
    client = begin(make)
    [back] = refuse_new(client)
    accept(client, back)
    assert wants(client, "old", drop="new") == []
    nack = client.session.subscriptions[SECRET].nack
    assert nack is not None
    assert nack.message == "Invalid path"
    assert held_of(client) == [("old", True, "refused"), ("l", False, "refused")]
    [other] = client.change({LISTENER: {"k": "1"}})
    assert "l=1 with new" not in contents_of(other)


def test_32_a_listener_goes_forward_when_its_refused_secret_is_corrected(make: type[Client]) -> None:
    """The certificate gets the same name with another content, or another name."""
    client = begin(make)
    [back] = refuse_new(client)
    accept(client, back)
    wants(client, "old", drop="new")
    [forward] = client.change({SECRET: {"new": "2"}})
    assert contents_of(forward) == ["l=1 with new"]
    accept(client, forward)
    [secret] = wants(client, "old", "new")
    wants(client, "old", "new", to=secret)
    assert client.session.subscriptions[SECRET].nack is None
    for alarm in client.session.take_alarms():
        client.session.on_alarm(alarm)
    assert held_of(client) == []
    assert "old" not in client.session.snapshot.of(SECRET).resources


def test_32_an_edit_with_a_refused_secret_is_undone(make: type[Client]) -> None:
    """The client has all of it already."""
    client = begin(make)
    [back] = refuse_new(client)
    accept(client, back)
    wants(client, "old", drop="new")
    assert client.change({SECRET: {"old": "1", "new": None}, LISTENER: {"l": "1 with old"}}) == []
    assert held_of(client) == []
    assert client.session.subscriptions[SECRET].nack is None


def test_32_a_listener_goes_back_when_one_of_its_secrets_is_refused(make: type[Client]) -> None:
    """A second certificate is added, and refused."""
    client = begin(make)
    [back] = refuse_new(client, {SECRET: {"new": "1"}, LISTENER: {"l": "1 with old and new"}})
    assert contents_of(back) == ["l=1 with old"]


def test_32_a_cluster_goes_back_when_its_new_secret_is_refused(make: type[Client]) -> None:
    """It may have a certificate of its own."""
    client = begin(make, {SECRET: {"old": "1"}, CLUSTER: {"c": "1 with old"}}, CLUSTER)
    [back] = refuse_new(client, {SECRET: {"old": None, "new": "1"}, CLUSTER: {"c": "1 with new"}})
    assert contents_of(back) == ["c=1 with old"]


def test_32_a_new_listener_with_a_refused_secret_stays(make: type[Client]) -> None:
    """There is nothing to go back to. The client may find the file later."""
    client = begin(make)
    assert refuse_new(client, {SECRET: {"new": "1"}, LISTENER: {"m": "1 with new"}}) == []
    assert known(client, LISTENER) == {"l", "m"}


def test_32_a_listener_whose_successor_lacks_its_secret_comes_back(make: type[Client]) -> None:
    """The successor has another name at the same address, and goes when its secret is refused."""
    client = begin(make, {SECRET: {"old": "1"}, LISTENER: {"l": listener(80, "old")}})
    [back] = refuse_new(client, {SECRET: {"old": None, "new": "1"}, LISTENER: {"l": None, "m": listener(80, "new")}})
    accept(client, back)
    assert known(client, LISTENER) == {"l"}
    assert held_of(client) == [("old", True, "refused"), ("l", True, "refused"), ("m", False, "refused")]


def test_32_a_listener_that_has_its_new_secret_does_not_go_back(make: type[Client]) -> None:
    """A later change of the secret that is refused leaves the listener alone: it has the content from before."""
    client = begin(make)
    [naming] = client.change(NEW)
    accept(client, naming)
    [secret] = wants(client, "old", "new")
    wants(client, "old", "new", to=secret)
    [bad] = client.change({SECRET: {"new": "2"}})
    responses = wants(client, "old", "new", to=bad, error="no")
    assert [contents_of(one) for one in responses] == [["new=1"]]


def test_7_32_a_refused_change_of_a_secret_is_taken_back(make: type[Client]) -> None:
    """Envoy keeps the content that it refused, and then refuses every change of a listener that names the secret."""
    client = begin(make)
    [bad] = client.change({SECRET: {"old": "2"}})
    [back] = wants(client, "old", to=bad, error="no")
    assert contents_of(back) == ["old=1"]
    assert wants(client, "old", to=back) == []
    assert client.session.subscriptions[SECRET].nack is not None
    assert held_of(client) == [("old", False, "refused")]
    [mended] = client.change({SECRET: {"old": "3"}})
    assert contents_of(mended) == ["old=3"]
    wants(client, "old", to=mended)
    assert client.session.subscriptions[SECRET].nack is None
    assert held_of(client) == []


def test_7_a_secret_that_is_refused_in_its_old_version_too_is_not_sent_again(make: type[Client]) -> None:
    """Its file has gone meanwhile."""
    client = begin(make)
    [bad] = client.change({SECRET: {"old": "2"}})
    [back] = wants(client, "old", to=bad, error="no")
    assert wants(client, "old", to=back, error="no") == []


def test_32_a_secret_that_the_client_has_refused_and_still_asks_for_is_not_tried_again(make: type[Client]) -> None:
    """Envoy asks for it while a listener that names it drains. It would accept the same content unread."""
    client = begin(make)
    [back] = refuse_new(client)
    accept(client, back)
    for response in client.change({SECRET: {"old": "1", "new": None}, LISTENER: {"l": "1 with old"}}):
        wants(client, "old", "new", to=response)
    assert client.session.subscriptions[SECRET].nack is None
    assert client.change(NEW) == []
    assert client.session.subscriptions[SECRET].nack is not None
    assert held_of(client) == [("old", True, "refused"), ("l", False, "refused")]
    [naming] = client.change({SECRET: {"new": "2"}})
    assert contents_of(naming)[-1:] in (["l=1 with new"], ["new=2"])


def test_32_a_secret_that_the_client_has_refused_and_no_longer_asks_for_is_tried_again(make: type[Client]) -> None:
    """Then it reads the files again."""
    client = begin(make)
    [back] = refuse_new(client)
    accept(client, back)
    wants(client, "old", drop="new")
    assert client.change({SECRET: {"old": "1", "new": None}, LISTENER: {"l": "1 with old"}}) == []
    [naming] = client.change(NEW)
    assert contents_of(naming) == ["l=1 with new"]
