"""The containers of this Compose project, and the commands that find and ask them.

It works with `docker compose` and with the older `docker-compose`.
"""

import http.client
import io
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

BOOTSTRAP = "/etc/envoy/bootstrap.yaml"
"""Where a container with an Envoy has the file that this starts from."""

COMPOSE = (["docker", "compose"], ["docker-compose"])

PROJECT = "com.docker.compose.project"
"""Compose's label on each container of a project."""

NOT_RUNNING = "the mesh is not running: start it with `docker compose up -d` in the folder `compose`"


class MeshError(Exception):
    """The command cannot be run. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Container:
    """A running container. `name` is its host name for other containers; `label` is its name in answers (`api-2`).

    `has_envoy` is whether it runs an Envoy, whose `node.id` is the label.
    """

    id: str
    name: str
    label: str
    service: str
    address: str
    network: str
    ports: dict[str, str]
    has_envoy: bool = False


@cache
def find_compose() -> list[str]:
    """Return the command of Compose: `docker compose`, or the older `docker-compose`. Raises MeshError."""
    plugin, older = COMPOSE
    try:
        subprocess.run([*plugin, "version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        if shutil.which(older[0]) is None:
            raise MeshError("neither `docker compose` nor the older `docker-compose` is installed") from None
        return older
    return plugin


def run(command: Sequence[str]) -> str:
    """Run a command, and return what it printed. Raises MeshError if it fails."""
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        said = (answer.stderr.strip() or answer.stdout.strip() or f"exit code {answer.returncode}").splitlines()
        raise MeshError(f"{' '.join(command)}: {said[-1]}")  # the older docker-compose prints a traceback first
    return answer.stdout


def list_containers() -> list[Container]:
    """Return the mesh's running containers, including those of the profile `traces`. Raises MeshError without any."""
    labels = (f"{PROJECT}={_find_project()}", "com.docker.compose.oneoff=False")
    ids = run(["docker", "ps", "-q", *(f"--filter=label={label}" for label in labels)]).split()
    if not ids:
        raise MeshError(NOT_RUNNING)
    running = [describe(one) for one in json.loads(run(["docker", "inspect", *ids]))]
    return sorted(running, key=lambda one: (one.service, int(one.label.rpartition("-")[2])))


@cache
def _find_project() -> str:
    """Return the project's name, as Compose's label on a container has it. Raises MeshError without any container.

    Compose knows the name by several rules and takes a second to start, so it is asked once.
    """
    ids = run([*find_compose(), "--profile", "traces", "ps", "-q"]).split()
    if not ids:
        raise MeshError(NOT_RUNNING)
    name: str = json.loads(run(["docker", "inspect", ids[0]]))[0]["Config"]["Labels"][PROJECT]
    return name


def list_instances(service: str) -> list[Container]:
    """Return a Compose service's running containers, one at least. Raises MeshError without any."""
    found = [one for one in list_containers() if one.service == service]
    if not found:
        raise MeshError(f"{service} is not running: start it with `docker compose up -d {service}`")
    return found


def find_container(label: str) -> Container:
    """Return the container with a label, such as `api-2`. Raises MeshError."""
    containers = list_containers()
    found = next((one for one in containers if one.label == label), None)
    if found is None:
        raise MeshError(f"{label} is not running; these are: {', '.join(one.label for one in containers)}")
    return found


@cache
def find_published(service: str, port: int) -> str:
    """Return the address (`host:port`) on this machine at which a service's port is published. Raises MeshError."""
    try:
        return list_instances(service)[0].ports[f"{port}/tcp"]
    except KeyError:
        raise MeshError(f"port {port} of {service} is not published") from None


def ask_envoy(container: Container, path: str) -> Any:
    """Return the JSON answer of an Envoy's admin, which only its own container can reach. Raises MeshError."""
    request = rf"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    script = f"exec 3<>/dev/tcp/127.0.0.1/9901 && printf '{request}' >&3 && cat <&3"
    answer = subprocess.run(["docker", "exec", container.id, "bash", "-c", script], capture_output=True, check=False)
    if answer.returncode:
        raise MeshError(f"{container.label}'s Envoy does not answer: {answer.stderr.decode().strip()}")
    response = http.client.HTTPResponse(_Answer(answer.stdout))  # type: ignore[arg-type]
    response.begin()
    return json.load(response)


def wait_until(probe: Callable[[], bool], what: str, seconds: float = 30.0) -> float:
    """Wait until the probe is true, and return the seconds that it took. Raises MeshError after `seconds`."""
    start = time.monotonic()
    while not probe():
        if time.monotonic() > start + seconds:
            raise MeshError(f"{what} did not come within {seconds:g} s: see `docker compose logs --tail 20`")
        time.sleep(0.1)
    return time.monotonic() - start


class _Answer:
    """A socket's content, with the method that the standard library's HTTP parser calls."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, _mode: str) -> io.BytesIO:
        """Return the content as a file."""
        return io.BytesIO(self._content)


def describe(inspected: dict[str, Any]) -> Container:
    """Return the container that `docker inspect` describes."""
    labels, networks = inspected["Config"]["Labels"], inspected["NetworkSettings"]["Networks"]
    service = labels["com.docker.compose.service"]
    ports = {port: places for port, places in inspected["NetworkSettings"]["Ports"].items() if places}
    return Container(
        id=inspected["Id"],
        name=inspected["Name"].removeprefix("/"),
        label=f"{service}-{labels['com.docker.compose.container-number']}",
        service=service,
        address=next((one["IPAddress"] for one in networks.values()), ""),
        network=next(iter(networks), ""),
        ports={port: f"{places[0]['HostIp']}:{places[0]['HostPort']}" for port, places in ports.items()},
        has_envoy=any(mount.get("Destination") == BOOTSTRAP for mount in inspected.get("Mounts", ())),
    )
