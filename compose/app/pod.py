"""Runs an application and its sidecar Envoy in one container, so that they start, scale and end together.

Two containers in one network (`network_mode: "service:api"`) would be cleaner, but Compose has no pods. If a service is
scaled, such a sidecar joins the first container only. If its application is started again, it stays in a network that
no longer exists. So both are children of this program. It ends when one of them ends, and Docker starts the container
again.
"""

import asyncio
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection

WELL = ((9901, "/ready"), (5000, "/healthz"))
"""The port and path on loopback at which Envoy and the application answer health checks."""

ENVOY = shlex.split("envoy -c /etc/envoy/bootstrap.yaml --concurrency 1 --disable-hot-restart --log-level warning")

GUNICORN = shlex.split(
    "gunicorn --bind 0.0.0.0:5000 --worker-class gthread --threads 32 --worker-tmp-dir /tmp --no-control-socket "
    "--keep-alive 75 --graceful-timeout 8 --log-level warning"
)
"""After SIGTERM, requests have 8 s to end: Docker kills the container after 10 s."""


def find_name() -> str:
    """Return a name for this instance: `api-1` by the container's name in Docker's DNS, or else with its id."""
    host, service = socket.gethostname(), os.environ["COMPOSE_SERVICE"]
    lookup = ["getent", "-s", "dns", "hosts", socket.gethostbyname(host)]
    answer = subprocess.run(lookup, capture_output=True, text=True, check=False).stdout
    # <address> xds_api_1.xds_default; newer versions of Compose: xds-api-1.xds_default
    found = re.search(rf"[_-]{service}[_-](\d+)\.", answer)
    return f"{service}-{found[1] if found else host}"


async def run() -> int:
    """Run both until one ends or Docker sends SIGTERM, and return the exit code.

    The application is stopped first, since it may need its sidecar until it has ended.
    """
    name, module = find_name(), os.environ["APPLICATION"]
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    # The sidecar gets everything else from the control plane.
    identity = ("--service-node", name, "--service-cluster", os.environ["SERVICE"])
    envoy = await asyncio.create_subprocess_exec(*ENVOY, *identity)
    application = await asyncio.create_subprocess_exec(*GUNICORN, f"{module}:app", env={**os.environ, "INSTANCE": name})
    print(f"{name}: {module}.py at port 5000, its sidecar Envoy at 127.0.0.1:15001", flush=True)
    ends = [asyncio.create_task(event) for event in (stopping.wait(), envoy.wait(), application.wait())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    fallen = [child for child, end in (("Envoy", ends[1]), (module, ends[2])) if end.done()]
    for child in (application, envoy):
        if child.returncode is None:
            child.terminate()
            await child.wait()
    if stopping.is_set():
        return 0
    print(f"{name}: {' and '.join(fallen)} ended", flush=True)
    return 1


def check() -> int:
    """Return 0 if both are healthy, for Docker's health check."""
    for port, path in WELL:
        connection = HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", path)
        if connection.getresponse().status != 200:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(check() if sys.argv[1:] == ["check"] else asyncio.run(run()))
