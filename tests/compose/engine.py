"""Starts the mesh in containers, runs the commands that a person runs, and removes the mesh again."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from fractions import Fraction
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import yaml

from mesh.balance import wait_for_shares
from mesh.project import COMPOSE, Container, MeshError, describe, find_compose
from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import free_port

FOLDER = Path(__file__).parents[2] / "compose"
BASE_IMAGE = re.compile(r"^FROM (\S+:\S+)", re.MULTILINE)

SERVICES = ("control-plane", "api", "api-v2", "web", "edge")
"""The services that run without a profile, by Compose's names."""

CONTAINERS = {"control-plane-1", "api-1", "api-2", "api-3", "api-v2-1", "web-1", "edge-1"}
EVERYBODY = CONTAINERS | {"api-4", "api-5"}
"""All containers, and those that a test that scales may add."""

ENVOYS = {"api-1", "api-2", "api-3", "api-v2-1", "web-1", "edge-1"}
"""The Envoys by their `node.id`."""


def find_obstacle() -> str | None:
    """Return the reason why the mesh cannot start here, or None if it can."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    answer = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    if answer.returncode:
        return f"no Docker engine answers: {answer.stderr.strip()}"
    try:
        find_compose()
    except MeshError as error:
        return str(error)
    return find_missing(base_images())


def find_missing(images: Iterable[str]) -> str | None:
    """Return the message for an image that is not available, or None if all are here after a pull."""
    for image in sorted(images):
        inspected = subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False)
        if inspected.returncode and subprocess.run(["docker", "pull", "-q", image], check=False).returncode:
            return f"the image {image} is not here, and no registry has it"
    return None


def base_images(profile: str | None = None) -> set[str]:
    """Return the images that the mesh is built from without a profile, or the images of a profile's services."""
    services = yaml.safe_load((FOLDER / "docker-compose.yml").read_text())["services"].values()
    images = {one["image"] for one in services if "image" in one and one.get("profiles") == (profile and [profile])}
    if profile is None:
        images |= {image for file in FOLDER.glob("*/Dockerfile") for image in BASE_IMAGE.findall(file.read_text())}
    return images


def installed_compose() -> list[list[str]]:
    """Return the commands that run Compose here."""
    found = []
    for command in COMPOSE:
        if shutil.which(command[0]):
            answer = subprocess.run([*command, "version"], capture_output=True, check=False)
            found += [command] if answer.returncode == 0 else []
    return found


def until(probe: Callable[[], object], what: str, seconds: float = 60.0) -> float:
    """Wait until the probe returns a true value, and return the seconds that it took."""
    start = time.monotonic()
    while not probe():
        assert time.monotonic() < start + seconds, f"{what}: not within {seconds:g} s"
        time.sleep(0.1)
    return time.monotonic() - start


class Mesh:
    """A mesh with its own name, ports and copy of the catalog, beside any other mesh on the machine.

    The process needs the variables of `environment` too when it calls the commands' own functions.
    """

    def __init__(self, folder: Path) -> None:
        self.catalog = folder / "catalog"
        shutil.copytree(FOLDER / "catalog", self.catalog)
        self.catalog.chmod(0o755)
        self.gateway = f"127.0.0.1:{free_port()}"
        self.prometheus, self.grafana = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.environment = {
            "COMPOSE_FILE": str(FOLDER / "docker-compose.yml"),
            "COMPOSE_PROJECT_NAME": f"xds-test-{os.getpid()}",
            "COMPOSE_PROFILES": "metrics",  # so that Compose lists and removes its services too
            "XDS_CATALOG": str(self.catalog),
            "XDS_ADMIN_PORT": str(free_port()),
            "EDGE_PORT": self.gateway.rpartition(":")[2],
            "PROMETHEUS_PORT": self.prometheus.rpartition(":")[2],
            "GRAFANA_PORT": self.grafana.rpartition(":")[2],
        }
        self._running: list[subprocess.Popen[str]] = []

    def compose(self, *arguments: str) -> str:
        """Run Compose, and return its output."""
        return self._run([*find_compose(), *arguments])

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command that a person runs: `traffic`, `weights`, and so on."""
        process = subprocess.Popen(
            [sys.executable, "-m", "mesh", *arguments],
            cwd=FOLDER,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._running.append(process)
        return process

    def restore(self) -> None:
        """Restore the state in which every test starts, since the test before it may have failed anywhere.

        The state is the original catalog, three instances of api-service, every container running and on the network,
        every Envoy in sync, and the edge sharing requests evenly.
        """
        for process in self._running:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=30)
        self._running.clear()
        for file in (FOLDER / "catalog").iterdir():
            if (self.catalog / file.name).read_bytes() != file.read_bytes():
                new = self.catalog / f".{file.name}.new"
                shutil.copy(file, new)
                new.replace(self.catalog / file.name)
        if {one.label for one in self.containers() if one.network} & EVERYBODY != CONTAINERS:
            self._bring_up()
        until(lambda: self.status()["catalog"]["ok"] and self.synced() == ENVOYS, "all Envoys")
        [edge] = self.containers_of("edge")
        instances = {one.address: one.label for one in self.containers_of("api")}
        wait_for_shares(edge, instances, {label: Fraction(1, 3) for label in instances.values()})

    def _bring_up(self) -> None:
        """Start missing containers, stop surplus ones, and reconnect disconnected ones."""
        self.compose("up", "-d", "--no-build", "--scale", "api=3", *SERVICES)
        for one in self.containers():
            if not one.network:
                network = f"{self.environment['COMPOSE_PROJECT_NAME']}_default"
                self._run(["docker", "network", "connect", "--alias", one.service, network, one.name])

    def containers(self) -> list[Container]:
        """Return the running containers of the mesh. This does not use Compose, which takes a second to start."""
        label = f"label=com.docker.compose.project={self.environment['COMPOSE_PROJECT_NAME']}"
        ids = self._run(["docker", "ps", "-q", "--filter", label]).split()
        return [describe(one) for one in json.loads(self._run(["docker", "inspect", *ids]))]

    def containers_of(self, service: str) -> list[Container]:
        """Return the running containers of a service."""
        return [one for one in self.containers() if one.service == service]

    def status(self) -> dict[str, Any]:
        """Return the control plane's status from its published admin address."""
        status: dict[str, Any] = json.loads(http_get(f"127.0.0.1:{self.environment['XDS_ADMIN_PORT']}", "/status")[1])
        return status

    def synced(self) -> set[str]:
        """Return the nodes that are in sync, or none while the control plane does not answer."""
        try:
            return {one["node_id"] for one in self.status()["clients"] if one["state"] == "SYNCED"}
        except (OSError, ValueError):
            return set()

    def act(self, *arguments: str) -> str:
        """Run a command, and return its output. It must succeed, and no request may fail."""
        return finish(self.start(*arguments))

    def wait(self, seconds: int) -> tuple[int, str]:
        """Run `wait`, which sends no load, and return its exit code and its output."""
        process = self.start("wait", "--seconds", str(seconds))
        printed, _ = process.communicate(timeout=seconds + 60)
        return process.returncode, printed

    def get(self, path: str) -> tuple[int, str]:
        """Send one request to the gateway, and return the status, or 0 without an answer."""
        connection = HTTPConnection(self.gateway, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, HTTPException) as error:
            return 0, str(error)
        finally:
            connection.close()

    def remains(self) -> str:
        """Return the remaining containers, networks, volumes and images of the mesh."""
        project = self.environment["COMPOSE_PROJECT_NAME"]
        label = f"label=com.docker.compose.project={project}"
        commands = [["ps", "-aq"], ["network", "ls", "-q"], ["volume", "ls", "-q"]]
        listed = [self._run(["docker", *command, "--filter", label]) for command in commands]
        images = self._run(["docker", "images", "--format", "{{.Repository}}"]).splitlines()
        return "".join(listed) + "".join(image for image in images if image.startswith(project))

    def _run(self, command: list[str]) -> str:
        answer = subprocess.run(
            command, cwd=FOLDER, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, f"{' '.join(command)}:\n{answer.stdout}{answer.stderr}"
        return answer.stdout


def finish(process: "subprocess.Popen[str]") -> str:
    """Wait for a command's end, and return its output, which a failing test shows. No request may have failed."""
    printed, _ = process.communicate(timeout=120)
    print(printed)
    assert process.returncode == 0, printed
    assert ", 0 failed;" in printed
    return printed


def counts(printed: str) -> dict[str, int]:
    """Return the requests from a command's table, by the first text of each row."""
    rows = re.findall(r"^(\S+(?: > \S+)?) +(\d+) +[0-9.]+%", printed, re.MULTILINE)
    return {name: int(number) for name, number in rows}


def shares(printed: str, column: int = 1) -> dict[str, float]:
    """Return one column of percentages from a command's table, by the first text of each row."""
    rows = [re.fullmatch(r"(\S+(?: > \S+)?)((?: +[0-9.]+%?)+) *█*", line) for line in printed.splitlines()]
    percentages = {row[1]: re.findall(r"([0-9.]+)%", row[2]) for row in rows if row}
    return {name: float(found[column - 1]) for name, found in percentages.items() if len(found) >= column}
