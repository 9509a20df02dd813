"""`xds diff`: shows what a catalog would change in the resources that a server serves now."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import unified_diff
from pathlib import Path

import click
import yaml

from xds.catalog.assembly.workspace import Workspace
from xds.catalog.catalog import Catalog
from xds.cli.admin_client import AdminClient, AdminError, Json, NotFoundError
from xds.cli.options import admin_option, catalog_option, catalog_path, choose_catalog, output_option
from xds.errors import CatalogError, Severity
from xds.sources.files.watch import FileSource
from xds.wording import printable, write_json

CLUSTERS_AT_ONCE = 50
"""How many values of `node.cluster` one request to the server names."""

SHOWN_NODES = 8
COLOURS = {"+": "green", "-": "red", "~": "yellow"}
Versions = dict[str, dict[str, str]]
"""The versions of the resources that one kind of node is served, by type_url and name."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A resource that would be added (`+`), removed (`-`) or changed (`~`) for the nodes of `clusters`.

    Each of `clusters` is a `node.cluster`. It is followed by ` in eu/eu-1a` if the difference concerns only nodes of
    that locality, and by ` (gRPC)` for gRPC's own clients. `diff` is a unified diff of a changed resource as YAML.
    """

    change: str
    type: str
    name: str
    version_info: str | None
    new_version_info: str | None
    clusters: tuple[str, ...]
    diff: str


@dataclass(frozen=True, slots=True, order=True)
class Kind:
    """A kind of node: its `node.cluster`, whether it is gRPC's own client, and its locality if that matters."""

    cluster: str
    grpc: bool = False
    locality: tuple[str, str, str] = ("", "", "")

    def __str__(self) -> str:
        where = "/".join(filter(None, self.locality))
        parts = (self.cluster or "(no cluster)", f"in {where}" if where else "", "(gRPC)" if self.grpc else "")
        return " ".join(filter(None, parts))


@click.command()
@click.argument("path", metavar="CATALOG", required=False, type=catalog_path)
@catalog_option
@admin_option
@click.option(
    "--node",
    "clusters",
    metavar="CLUSTER",
    multiple=True,
    help="Compare only for nodes with this node.cluster; may be repeated. Default: all connected nodes.",
)
@output_option("table", "json", words="Print text for people, or one JSON array.")
def command(
    path: Path | None, catalog: Path | None, admin: tuple[str, int], clusters: tuple[str, ...], output: str
) -> None:
    """Compare a catalog (a file or a folder) with what the server serves now, before you deploy the catalog.

    + is a resource that nodes would get, - one that they would lose, ~ one that would change. The comparison changes
    nothing. If no client is connected, it compares for every service and gateway of the catalog.

    \b
    Examples:
      xds diff new-catalog.yaml
      xds diff catalog/ --node edge --node web       compare for these two only
      git show branch:catalog.yaml > /tmp/c.yaml && xds diff /tmp/c.yaml

    Exit codes, as for diff(1): 0 nothing would change, 1 something would change, 2 the catalog has errors (printed as
    by `xds check`), the usage is wrong, or the server does not answer.
    """
    try:
        new = Workspace().update(FileSource(choose_catalog(path, catalog)).read())
        with AdminClient(admin) as client:
            keeping: set[str] = set()
            differences = list(compare(new, client, clusters, keeping))
    except CatalogError as error:
        for problem in error.problems:
            if problem.severity is Severity.ERROR:
                click.echo(problem, err=True)
        sys.exit(2)
    except (AdminError, NotFoundError) as error:
        click.echo(error, err=True)
        sys.exit(2)
    if output == "json":
        click.echo(write_json([asdict(difference) for difference in differences], indent=2))
    else:
        for line in _write(differences):
            click.echo(line)
    for name in sorted(keeping):
        click.echo(f"{printable(name)} is not in this catalog: its nodes keep what they have", err=True)
    sys.exit(1 if differences else 0)


def compare(
    catalog: Catalog, client: AdminClient, clusters: Sequence[str] = (), keeping: set[str] | None = None
) -> Iterator[Difference]:
    """Yield the differences between a catalog and what a server serves.

    Each difference comes once, with all kinds of node that it concerns. Clusters that the catalog does not name and
    whose nodes would keep what they have are added to `keeping`: nothing changes for them. Raises AdminError when the
    server does not answer.
    """
    # Imported here, since Envoy's message classes take half a second to import.
    from xds.wire import TYPE_URLS, short_type

    local = _LocalCatalog(catalog)
    kinds = _choose(client, local, clusters)
    served, standings = _ask(client, kinds)
    kept = {kind for kind in kinds if local.would_keep(kind, standings.get(kind.cluster, ""))}
    if keeping is not None:
        keeping.update(kind.cluster for kind in kept if any(served[kind].values()))
    kinds = [kind for kind in kinds if kind not in kept]
    found: dict[tuple[int, str, str | None, str | None], list[Kind]] = {}
    for kind in kinds:
        ours = local.versions(kind)
        for place, type_url in enumerate(TYPE_URLS):
            old, new = served[kind].get(type_url, {}), ours.get(type_url, {})
            for name in old.keys() | new.keys():
                if old.get(name) != new.get(name):
                    found.setdefault((place, name, old.get(name), new.get(name)), []).append(kind)
    for (place, name, was, now), concerned in sorted(found.items(), key=lambda item: (item[0][0], item[0][1], item[1])):
        type_url, kind = TYPE_URLS[place], concerned[0]
        before = _fetch(client, kind, type_url, name) if was else None
        after = local.resource(kind, type_url, name) if now else None
        change = "~" if was and now else "+" if now else "-"
        text = _diff(before, after) if change == "~" else ""
        yield Difference(change, short_type(type_url), name, was, now, _write_kinds(concerned, kinds), text)


class _LocalCatalog:
    """What a catalog would serve, built in this process."""

    def __init__(self, catalog: Catalog) -> None:
        from xds.endpoints.endpoint_set import collect_services
        from xds.resources.inventory import build_inventory

        self.catalog = catalog
        self._inventory = build_inventory(catalog, collect_services(catalog.services))
        self._kept: tuple[Kind, Json] | None = None

    @property
    def by_locality(self) -> bool:
        """Whether any resource depends on a node's locality."""
        return bool(self._inventory.reliant)

    def would_keep(self, kind: Kind, standing: str) -> bool:
        """Whether a server would keep what nodes of a kind have: the catalog does not name them, and it serves them."""
        from xds.resources.view import Standing, find_standing

        is_named = find_standing(self.catalog, kind.cluster) is Standing.NAMED
        is_unknown = find_standing(self.catalog, kind.cluster) is Standing.UNKNOWN
        return not is_named and (is_unknown or standing in (Standing.NAMED, Standing.KEPT))

    def versions(self, kind: Kind) -> Versions:
        """Return the versions of all resources that nodes of a kind would be served."""
        return {
            type_url: {name: resource.version for name, resource in of_type.resources.items()}
            for type_url, of_type in self._snapshot(kind).types.items()
        }

    def resource(self, kind: Kind, type_url: str, name: str) -> Json:
        """Return one resource as JSON."""
        from xds.resources.decode import decode

        return decode(self._snapshot(kind).of(type_url).resources[name])

    def _snapshot(self, kind: Kind) -> Json:
        from xds.catalog.model.locality import Locality
        from xds.resources.view import NodeKind, build_view
        from xds.snapshot.building import build_snapshot

        if self._kept is None or self._kept[0] != kind:
            view = build_view(self._inventory, NodeKind(kind.cluster, kind.grpc, Locality(*kind.locality)))
            self._kept = kind, build_snapshot(view, self._inventory)
        return self._kept[1]


def _choose(client: AdminClient, local: _LocalCatalog, clusters: Sequence[str]) -> list[Kind]:
    status = client.get("/status")
    keys = ("region", "zone", "sub_zone") if local.by_locality or status["catalog"].get("by_locality") else ()
    connected = {
        Kind(one["cluster"], one["grpc"], (*(one[key] for key in keys),) if keys else ("", "", ""))
        for one in status["clients"]
    }
    if clusters:
        return sorted({Kind(name) for name in clusters} | {kind for kind in connected if kind.cluster in clusters})
    return sorted(connected) or sorted(map(Kind, local.catalog.gateways.keys() | local.catalog.services.keys()))


def _write_kinds(concerned: Sequence[Kind], kinds: Sequence[Kind]) -> tuple[str, ...]:
    """Return the kinds of node that a difference concerns, as text, without localities if it concerns all of them."""
    all_of, concerned_of = (Counter(Kind(one.cluster, one.grpc) for one in some) for some in (kinds, concerned))
    found = []
    for kind in concerned:
        anywhere = Kind(kind.cluster, kind.grpc)
        found.append(anywhere if concerned_of[anywhere] == all_of[anywhere] else kind)
    return tuple(map(str, dict.fromkeys(found)))


def _ask(client: AdminClient, kinds: Sequence[Kind]) -> tuple[dict[Kind, Versions], dict[str, str]]:
    """Ask the server, in few requests, for the versions that each kind of node is served, and for its standing."""
    served: dict[Kind, Versions] = {}
    standings: dict[str, str] = {}
    for grpc, locality in sorted({(kind.grpc, kind.locality) for kind in kinds}):
        names = [kind.cluster for kind in kinds if (kind.grpc, kind.locality) == (grpc, locality)]
        for start in range(0, len(names), CLUSTERS_AT_ONCE):
            query = [("cluster", name) for name in names[start : start + CLUSTERS_AT_ONCE]]
            answer = client.get("/snapshot", [*query, *_write_query(grpc=grpc, locality=locality)])
            served.update((Kind(name, grpc, locality), versions) for name, versions in answer["clusters"].items())
            standings.update(answer.get("standings", {}))
    return served, standings


def _write_query(*, grpc: bool, locality: tuple[str, str, str]) -> list[tuple[str, str]]:
    """Return the query parameters of a kind of node, except its `node.cluster`."""
    parts = zip(("region", "zone", "sub_zone"), locality, strict=True)
    return [*([("grpc", "1")] if grpc else []), *((key, value) for key, value in parts if value)]


def _fetch(client: AdminClient, kind: Kind, type_url: str, name: str) -> Json:
    kind_query = _write_query(grpc=kind.grpc, locality=kind.locality)
    query = [("cluster", kind.cluster), ("type", type_url), ("name", name), *kind_query]
    try:
        resource = client.get("/resource", query)["resource"]
    except NotFoundError:  # the server's catalog has changed in the meantime
        return {}
    return {key: value for key, value in resource.items() if key != "@type"}


def _diff(before: Json, after: Json) -> str:
    was, now = (yaml.safe_dump(side, width=110).splitlines() for side in (before, after))
    return "\n".join(list(unified_diff(was, now, lineterm="", n=2))[2:])


def _write(differences: Sequence[Difference]) -> Iterator[str]:
    for one in differences:
        nodes = ", ".join(map(printable, one.clusters[:SHOWN_NODES]))
        more = f" and {len(one.clusters) - SHOWN_NODES} more" if len(one.clusters) > SHOWN_NODES else ""
        what = click.style(f"{one.change} {one.type} {printable(one.name)}", fg=COLOURS[one.change], bold=True)
        yield f"{what}  for {nodes}{more}"
        for line in one.diff.splitlines():
            text = f"    {printable(line)}"
            yield click.style(text, fg=COLOURS.get(line[:1])) if line[:1] in COLOURS else text
    counts = [(len([one for one in differences if one.change == sign]), word) for sign, word in CHANGE_NAMES.items()]
    summary = ", ".join(f"{number} {word}" for number, word in counts if number)
    yield summary or click.style("nothing would change", fg="green")


CHANGE_NAMES = {"+": "added", "-": "removed", "~": "changed"}
