"""The command that waits until the mesh is ready: every Envoy has the catalog, and every endpoint is healthy."""

import argparse
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from typing import Any

from mesh.control_plane import ask_status
from mesh.project import Container, MeshError, ask_envoy, find_published, list_containers
from mesh.traffic import API, GATEWAY

PATHS = ("/", API)
HEALTHY = {"eds_health_status": "HEALTHY"}


def wait(options: argparse.Namespace) -> int:
    """Wait until nothing is missing any more; print what is, and return 1, when the time is over."""
    start = time.monotonic()
    while True:
        missing = find_missing()
        seconds = time.monotonic() - start
        if not missing:
            print(f"The mesh is ready after {seconds:.1f} s: {_describe()}.")
            return 0
        if seconds >= options.seconds:
            print("\n".join(missing))
            print(f"The mesh is not ready after {seconds:.1f} s: see `docker compose ps` and `docker compose logs`.")
            return 1
        time.sleep(0.2)


def find_missing() -> list[str]:
    """Return what keeps the mesh from being ready, a line each."""
    try:
        return list(_find_missing())
    except (MeshError, OSError) as error:
        return [str(error)]


def _find_missing() -> Iterator[str]:
    envoys, status = _list_envoys(), ask_status()
    if refused := status["catalog"]["refused_files"]:
        yield f"the control plane refuses {', '.join(refused)}"
    states = {client["node_id"]: client["state"] for client in status["clients"]}
    for envoy in envoys:
        if (state := states.get(envoy.label)) != "SYNCED":
            yield f"{envoy.label} is {state or 'not connected'}"
        else:
            yield from (f"{envoy.label} sees {words}" for words in _find_unhealthy(envoy))
    for path in PATHS:
        if (found := _ask_gateway(path)) != "200":
            yield f"the gateway answers {path} with {found}"


def _list_envoys() -> list[Container]:
    """Return the containers with an Envoy. Raises MeshError without a gateway, which is the last to be seen."""
    found = [one for one in list_containers() if one.has_envoy]
    if GATEWAY[0] not in {one.service for one in found}:
        raise MeshError(f"{GATEWAY[0]} is not running: start it with `docker compose up -d {GATEWAY[0]}`")
    return found


def _find_unhealthy(envoy: Container) -> Iterator[str]:
    """Yield each endpoint that an Envoy does not take for healthy, and each cluster without any."""
    for cluster in ask_envoy(envoy, "/clusters?format=json")["cluster_statuses"]:
        if not cluster.get("added_via_api"):
            continue  # the control plane itself
        hosts: list[Any] = cluster.get("host_statuses", [])
        if not hosts:
            yield f"no endpoint of {cluster['name']}"
        for host in hosts:
            if host["health_status"] != HEALTHY:
                address = host["address"]["socket_address"]
                yield f"{cluster['name']} {address['address']}:{address['port_value']} as unhealthy"


def _ask_gateway(path: str) -> str:
    """Return the status of an answer, or why there is none."""
    connection = HTTPConnection(find_published(*GATEWAY), timeout=5)
    try:
        connection.request("GET", path)
        return str(connection.getresponse().status)
    except (OSError, HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()


def _describe() -> str:
    envoys = _list_envoys()
    catalog = ask_status()["catalog"]
    return f"{len(envoys)} Envoys have the {catalog['services']} services, and every endpoint is healthy"
