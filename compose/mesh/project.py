"""The containers that Compose has made of this folder, by whichever of its two commands is installed."""

import http.client
import io
import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

COMPOSE = (["docker", "compose"], ["docker-compose"])


class MeshError(Exception):
    """What was asked for cannot be done; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container that runs. `name` is what others on its network find it by, `label` what it calls itself."""

    id: str
    name: str
    label: str
    service: str
    address: str
    network: str
    ports: dict[str, str]


@cache
def find_compose() -> list[str]:
    """Find Compose: `docker compose`, or `docker-compose` of old."""
    for command in COMPOSE:
        try:
            subprocess.run([*command, "version"], capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return command
    raise MeshError("neither `docker compose` nor `docker-compose` is installed")


def run(command: Sequence[str]) -> str:
    """Run a command; what it printed."""
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        said = (answer.stderr.strip() or answer.stdout.strip() or f"exit code {answer.returncode}").splitlines()
        raise MeshError(f"{' '.join(command)}: {said[-1]}")  # docker-compose of old shows a traceback before
    return answer.stdout


def list_containers() -> list[Container]:
    """List the mesh's running containers, with those that take its traces."""
    ids = run([*find_compose(), "--profile", "traces", "ps", "-q"]).split()
    described = json.loads(run(["docker", "inspect", *ids])) if ids else []
    running = [_describe(one) for one in described if one["State"]["Running"]]
    if not running:
        raise MeshError("the mesh is not up: `docker-compose up -d` in the folder `compose` starts it")
    return sorted(running, key=lambda one: (one.service, int(one.label.rpartition("-")[2])))


def list_instances(service: str) -> list[Container]:
    """List a Compose service's running containers; there is one at least."""
    found = [one for one in list_containers() if one.service == service]
    if not found:
        raise MeshError(f"{service} is not running: `docker-compose up -d {service}` starts it")
    return found


def find_container(label: str) -> Container:
    """Find a container by its label, such as `api-2`."""
    containers = list_containers()
    found = next((one for one in containers if one.label == label), None)
    if found is None:
        raise MeshError(f"no {label} is running; there are {', '.join(one.label for one in containers)}")
    return found


@cache
def find_published(service: str, port: int) -> str:
    """Find where on this machine a service's port can be reached."""
    try:
        return list_instances(service)[0].ports[f"{port}/tcp"]
    except KeyError:
        raise MeshError(f"port {port} of {service} is not published") from None


def ask_envoy(container: Container, path: str) -> Any:
    """Ask an Envoy's admin, which only its own container reaches; its answer is JSON."""
    request = rf"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    script = f"exec 3<>/dev/tcp/127.0.0.1/9901 && printf '{request}' >&3 && cat <&3"
    answer = subprocess.run(["docker", "exec", container.id, "bash", "-c", script], capture_output=True, check=False)
    if answer.returncode:
        raise MeshError(f"{container.label}'s Envoy does not answer: {answer.stderr.decode().strip()}")
    response = http.client.HTTPResponse(_Answer(answer.stdout))  # type: ignore[arg-type]
    response.begin()
    return json.load(response)


def wait_until(probe: Callable[[], bool], what: str, seconds: float = 30.0) -> float:
    """Wait for something to come about; the seconds that it took."""
    start = time.monotonic()
    while not probe():
        if time.monotonic() > start + seconds:
            raise MeshError(
                f"{what} has not happened within {seconds:g} s: `docker-compose logs --tail 20` may say why"
            )
        time.sleep(0.1)
    return time.monotonic() - start


class _Answer:
    """What a socket gave until its end, as the standard library's parser wants it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, _mode: str) -> io.BytesIO:
        """Give all of it."""
        return io.BytesIO(self._content)


def _describe(inspected: dict[str, Any]) -> Container:
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
    )
