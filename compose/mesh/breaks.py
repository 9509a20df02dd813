"""The commands that break something while requests run: an instance dies, the control plane is cut off or replaced."""

import argparse
import time
from http.client import HTTPConnection

from mesh.catalog import read, save
from mesh.control_plane import SERVICE, list_synced
from mesh.edits import GATEWAY_FILE
from mesh.load import FOREVER, Load
from mesh.project import (
    MeshError,
    find_compose,
    find_container,
    find_published,
    list_containers,
    list_instances,
    run,
    wait_until,
)
from mesh.tables import print_load, print_phases
from mesh.traffic import API, GATEWAY

STEADY_SECONDS = 2.0
"""How long requests run before something happens, and after everything works again."""

PROBE = "/saved-while-it-was-cut-off"
ROUTES = "    routes:\n"


def kill(options: argparse.Namespace) -> int:
    """Kill an instance's container, with its application, its sidecar and their connections, and start it again.

    Like the other commands, it returns the exit code.
    """
    victim = find_container(options.instance)
    with Load(find_published(*GATEWAY), API, options.rate) as load:
        time.sleep(STEADY_SECONDS)
        if not load.count()[victim.label]:
            raise MeshError(f"{victim.label} answers no requests for {API}, so its end would have no effect")
        before = time.monotonic()
        _run("docker", "kill", victim.name)
        dead = time.monotonic()
        try:
            time.sleep(options.seconds)
        finally:
            started = time.monotonic()
            _run("docker", "start", victim.name)
        seconds = wait_until(lambda: load.count(started)[victim.label] > 0, f"an answer of {victim.label}")
        print(f"{victim.label} answers again {seconds:.1f} s after its start.")
        back = time.monotonic()
        time.sleep(STEADY_SECONDS)
    code = print_load(load)
    phases = {"BEFORE": (0.0, before), "DEAD": (dead, started), "BACK": (back, FOREVER)}
    print_phases("INSTANCE", {title: load.count(*stretch) for title, stretch in phases.items()})
    return code


def cut(options: argparse.Namespace) -> int:
    """Disconnect the control plane from its network, save an edit, and check that it is in effect afterwards."""
    control_plane = list_instances(SERVICE)[0]
    network = control_plane.network
    address, edit = find_published(*GATEWAY), read(GATEWAY_FILE)
    if ROUTES not in edit or PROBE in edit:
        raise MeshError(f"catalog/{GATEWAY_FILE} is not as this command expects it: restore it with `git checkout`")
    probe = f'{ROUTES}      - {{path: {PROBE}, respond: {{body: "in effect\\n"}}}}\n'
    with Load(address, API, options.rate) as load:
        time.sleep(STEADY_SECONDS)
        try:
            _run("docker", "network", "disconnect", network, control_plane.name)
            try:
                save(GATEWAY_FILE, edit.replace(ROUTES, probe))
                time.sleep(options.seconds)
                waits = "no Envoy has" if not _is_in_effect(address) else "an Envoy already has"
                print(f"After {len(load.answers)} requests, {len(load.failures)} of which failed, {waits} the edit.")
            finally:
                _run("docker", "network", "connect", "--alias", SERVICE, network, control_plane.name)
            seconds = wait_until(lambda: _is_in_effect(address), "the edge's new route", 60)
            print(f"It is in effect {seconds:.1f} s after the control plane was back.")
        finally:
            save(GATEWAY_FILE, edit)
        time.sleep(STEADY_SECONDS)
    return print_load(load)


def roll(options: argparse.Namespace) -> int:
    """Replace the control plane's container with a new one of the same image, as an upgrade does."""
    nodes = list_synced() & {
        one.label for one in list_containers()
    }  # a container may be gone without closing its stream
    if not nodes:
        raise MeshError("no Envoy is connected: look at `docker compose ps` and `docker compose logs`")
    old = list_instances(SERVICE)[0].id
    with Load(find_published(*GATEWAY), API, options.rate) as load:
        time.sleep(options.seconds)
        start = time.monotonic()
        _run(*find_compose(), "up", "-d", "--no-deps", "--no-build", "--force-recreate", SERVICE)
        new = list_instances(SERVICE)[0].id
        print(f"A new container runs after {time.monotonic() - start:.1f} s: {new[:12]} in place of {old[:12]}.")
        wait_until(lambda: nodes <= list_synced(), "the Envoys' return", 60)
        seconds = time.monotonic() - start
        print(f"All {len(nodes)} Envoys are connected to it and up to date after {seconds:.1f} s.")
        time.sleep(options.seconds)
    return print_load(load)


def _run(*command: str) -> None:
    """Print a command, and run it."""
    print(" ".join(command))
    run(command)


def _is_in_effect(address: str) -> bool:
    connection = HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", PROBE)
        return connection.getresponse().read() == b"in effect\n"
    finally:
        connection.close()
