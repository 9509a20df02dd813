"""An update costs only what changed, and its result equals one that is built from nothing."""

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.inventories import build_inventory
from tests.sampling import examples
from xds.catalog.catalog import Catalog
from xds.catalog.model.access_log import OFF, AccessLog
from xds.catalog.model.affinity import Affinity
from xds.catalog.model.balance import SHORT
from xds.catalog.model.connections import CircuitBreakers
from xds.catalog.model.endpoint import Endpoint
from xds.catalog.model.gateway import Certificate, Gateway, Listener, Tls
from xds.catalog.model.listener_options import Limits
from xds.catalog.model.locality import ANY, NOWHERE, Level, Locality, LocalityPolicy, ZoneAware
from xds.catalog.model.mesh import Mesh, Strangers
from xds.catalog.model.retries import Budget, Retries
from xds.catalog.model.route import Route
from xds.catalog.model.service import Protocol, Service
from xds.catalog.model.sidecar import Sidecar
from xds.catalog.model.slow_start import SlowStart
from xds.catalog.model.subsets import Labels
from xds.catalog.model.timeouts import Timeouts
from xds.catalog.model.tracing import Tracing
from xds.catalog.model.upstream import Dns, UpstreamTls
from xds.catalog.raw.fields import NO_RAW, parse_raw
from xds.catalog.text.addresses import Listen
from xds.resources.resource import Resource
from xds.resources.view import OWN_TYPES, NodeKind, Standing, build_view
from xds.snapshot.building import build_snapshot
from xds.snapshot.snapshot import Snapshot
from xds.snapshot.store import SnapshotStore
from xds.wire import CLUSTER, LISTENER, TYPE_URLS

NAMES = ("a", "b", "c", "d")
WHERE = (NOWHERE, Locality("eu", "z"), Locality("us", "z", "rack"))
KINDS = [
    NodeKind(name, grpc, locality)
    for name in (*NAMES, "edge", "anyone")
    for grpc in (False, True)
    for locality in WHERE
]

LOCALITIES = [
    ANY,
    ANY,
    LocalityPolicy(failover=(Level.ZONE, Level.REGION)),
    LocalityPolicy(failover=(Level.REGION,), weights={"z": 2, "y": 1}),
    LocalityPolicy(failover=(Level.SUB_ZONE,), zone_aware=ZoneAware()),
    LocalityPolicy(zone_aware=ZoneAware()),
]
ENDPOINTS = [
    Endpoint("10.0.0.1", 80),
    Endpoint("10.0.0.2", 80, weight=3, zone="z"),
    Endpoint("10.0.0.3", 80, drain=True),
    Endpoint("10.0.0.4", 80, region="us", zone="y"),
    Endpoint("a.internal", 80, region="eu"),
    Endpoint("b.internal", 80),
]


ACCESS_LOGS = st.sampled_from([None, None, OFF, AccessLog(), AccessLog(errors=True)])

TLS = Tls(certificates=(Certificate("/a.pem", "/a.key"), Certificate("/b.pem", "/b.key", ("b.example.com",))))


SUBSETS: list[Mapping[str, Labels]] = [{}, {"v1": {"version": 1}}, {"v1": {"version": 2, "stage": "x"}}]
RAW_CLUSTER = parse_raw("cluster")({"cluster": {"alt_stat_name": "x"}})


@st.composite
def services(draw: st.DrawFn, names: list[str]) -> Service:
    """Generate a service whose upstreams and route targets are among `names`."""
    protocol = draw(st.sampled_from(Protocol))
    balance = draw(st.sampled_from([*SHORT.values()]))
    divided = balance.client_side_weighted is None
    return Service(
        endpoints=tuple(draw(st.lists(st.sampled_from(ENDPOINTS), max_size=3, unique_by=lambda one: one.address))),
        protocol=protocol,
        balance=balance,
        affinity=draw(st.sampled_from([None, Affinity(source=True)])),
        locality=draw(st.sampled_from(LOCALITIES)),
        slow_start=draw(st.sampled_from([None, SlowStart(Timeouts().connect)])),
        timeouts=draw(st.sampled_from([Timeouts(), Timeouts(request=Timeouts().connect)])),
        retries=draw(st.sampled_from([Retries(), Retries(attempts=0), Retries(on=("5xx",), budget=Budget())])),
        circuit_breakers=draw(st.sampled_from([None, CircuitBreakers(requests=5)])),
        tls=draw(st.sampled_from([None, UpstreamTls(sni="a.example.com")])),
        dns=draw(st.sampled_from(Dns)),
        upstreams=draw(st.none() | st.lists(st.sampled_from(names), unique=True).map(tuple)),
        sidecar=draw(
            st.sampled_from([Sidecar(), Sidecar(Listen("127.0.0.1", 15002)), Sidecar(limits=Limits(streams=5))])
        ),
        local_port=draw(st.sampled_from([None, 5432, 5433])) if protocol is Protocol.TCP else None,
        access_log=draw(ACCESS_LOGS),
        endpoint_stats=draw(st.sampled_from([None, None, True, False])),
        subsets=draw(st.sampled_from(SUBSETS)) if divided else {},
        routes=tuple(draw(st.lists(own_routes(names), max_size=3))) if protocol is not Protocol.TCP else (),
        envoy=draw(st.sampled_from([NO_RAW, RAW_CLUSTER])),
    )


@st.composite
def own_routes(draw: st.DrawFn, names: list[str]) -> Route:
    """Generate a route of a service: to itself, to others, or to subsets that may not exist."""
    targets = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    fallback = draw(st.none() | st.sampled_from(names))
    if targets == [fallback]:
        targets = []
    subsets = ["", "/v1"] if fallback is None else [""]
    return Route(
        prefix=draw(st.sampled_from([None, "/v2", "/v3"])),
        to={f"{target}{draw(st.sampled_from(subsets))}": 1 for target in targets} or None,
        fallback=fallback,
        retries=draw(st.sampled_from([None, Retries(attempts=0), Retries(on=("5xx", "unavailable"), any_method=True)])),
    )


MESHES = (
    Mesh(),
    Mesh(strangers=Strangers.SERVE),
    Mesh(access_log=AccessLog()),
    Mesh(tracing=Tracing("collector:4317")),
    Mesh(tracing=Tracing("[::1]:4317")),
    Mesh(endpoint_stats=True),
)
SIDECARS = (Sidecar(), Sidecar(Listen("127.0.0.1", 15002)), Sidecar(limits=Limits(streams=5)))
LISTENERS = (Listener(8080), Listener(8443, tls=TLS, http3=True))


@st.composite
def chains(draw: st.DrawFn) -> list[Catalog]:
    """Generate two or three small catalogs. Each is an edit of the one before, and most of it stays."""
    chain = [draw_catalog(draw, Catalog({}, {}))]
    for _ in range(draw(st.integers(1, 2))):
        chain.append(draw_catalog(draw, chain[-1]))
    return chain


def draw_catalog(draw: st.DrawFn, before: Catalog) -> Catalog:
    """Generate a catalog that may keep parts of `before`. A gateway may have the name that a service had before."""
    names = [name for name in NAMES if draw(st.integers(0, 4))] or ["a"]
    made = {}
    for name in names:
        kept = before.services.get(name)
        known = kept is not None and {*(kept.upstreams or ()), *kept.routed} <= set(names)
        keeps = known and draw(st.integers(0, 2))
        made[name] = kept if keeps and kept else draw(services(names))
    made = {name: without_unknown_subsets(service, made) for name, service in made.items()}
    gateways = {}
    for name in ("edge", "d"):
        if name in made or not draw(st.integers(0, 3)):
            continue
        was = before.gateways.get(name)
        if was and all(name in made for name in was.services) and draw(st.booleans()):
            targets, port = [name for route in was.routes for name in route.services], was.port or 80
        else:
            targets = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2))
            port = draw(st.sampled_from([80, 81]))
        if any(made[target].protocol is Protocol.TCP for target in targets):
            targets = targets[:1]
        targets = [f"{one}/v1" if draw(st.booleans()) and made[one].subsets else one for one in targets]
        shared = draw(st.booleans())
        bare = all("/" not in one and made[one].protocol is not Protocol.TCP for one in targets)
        fallback = draw(st.none() | st.sampled_from(names)) if bare else None
        shares = [targets] if shared else [[to] for to in targets]
        routes = [Route(to=dict.fromkeys(to, 1), fallback=None if {*to} == {fallback} else fallback) for to in shares]
        access_log = draw(ACCESS_LOGS)
        if draw(st.booleans()):
            gateways[name] = Gateway(port=port, routes=tuple(routes), access_log=access_log)
        else:
            listeners = draw(st.sampled_from([LISTENERS, LISTENERS[:1], LISTENERS[1:]]))
            gateways[name] = Gateway(listeners=listeners, routes=tuple(routes), access_log=access_log)
    return Catalog(made, gateways, mesh=draw(st.sampled_from([before.mesh, *MESHES])))


def without_unknown_subsets(service: Service, services: Mapping[str, Service]) -> Service:
    """Leave out routes to subsets that do not exist."""
    known = tuple(
        route
        for route in service.routes
        if all(subset in services[name].subsets for name, subset in route.subsets.values())
    )
    return service if known == service.routes else replace(service, routes=known)


def contents_of(snapshot: Snapshot) -> dict[str, dict[str, Resource]]:
    """Return all resources, by type and name."""
    return {type_url: dict(snapshot.of(type_url).resources) for type_url in TYPE_URLS}


@examples(150)
@given(chains(), st.sets(st.sampled_from(KINDS), min_size=1))
def test_an_update_has_the_same_result_as_building_from_nothing(chain: list[Catalog], kinds: set[NodeKind]) -> None:
    """This holds for every kind of node that the catalog names. The others keep the listeners, routes and clusters that
    they had. A change names exactly what differs. It retains what a node needs until the node has the rest.
    """
    store = SnapshotStore(build_inventory(chain[0]))
    served = {kind: store.acquire(kind).read() for kind in kinds}
    for catalog in chain[1:]:
        changes = store.update(build_inventory(catalog, store.inventory))
        fresh = build_inventory(catalog)
        for kind, before in served.items():
            was = contents_of(before)
            if store.find_standing(kind.cluster) is Standing.KEPT:
                expected = contents_of(store.build_snapshot(kind))
                assert {of: expected[of] for of in OWN_TYPES} == {of: was[of] for of in OWN_TYPES}
                assert expected[CLUSTER].keys() == was[CLUSTER].keys()
            else:
                expected = contents_of(build_snapshot(build_view(fresh, kind), fresh))
            differs = {
                type_url: {name for name in was[type_url] | now if was[type_url].get(name) != now.get(name)}
                for type_url, now in expected.items()
            }
            differs = {type_url: names for type_url, names in differs.items() if names}
            change = changes.get(kind)
            assert (dict(change.names) if change else {}) == differs
            after = change.snapshot if change else before
            assert contents_of(after) == expected
            if change:
                assert served_now(store, kind) is after
                gone = {type_url: {**was[type_url], **expected[type_url]} for type_url in TYPE_URLS}
                for type_url, made in contents_of(change.transitional).items():
                    assert expected[type_url].items() <= made.items() <= gone[type_url].items()
                    assert type_url == LISTENER or made == gone[type_url]
                served[kind] = after
        assert_shared(store, catalog, kinds)


def served_now(store: SnapshotStore, kind: NodeKind) -> Snapshot:
    """Return the snapshot that a new node receives."""
    snapshot = store.acquire(kind).read()
    store.release(kind)
    return snapshot


def assert_shared(store: SnapshotStore, catalog: Catalog, kinds: set[NodeKind]) -> None:
    """Assert that a new node receives the versions of a fresh server, and that equal views share one object."""
    by_view: dict[object, set[int]] = {}
    fresh = build_inventory(catalog)
    for kind in kinds:
        if store.find_standing(kind.cluster) is Standing.KEPT:
            continue
        view, snapshot = build_view(fresh, kind), served_now(store, kind)
        by_view.setdefault(view, set()).add(id(snapshot))
        for type_url in TYPE_URLS:
            assert snapshot.of(type_url).version == build_snapshot(view, fresh).of(type_url).version
    assert all(len(objects) == 1 for objects in by_view.values())
