"""An application and its sidecar Envoy in one container, so that they come, scale and go together.

Rather would each have a container of its own, the two in one network: `network_mode: "service:api"`. But Compose has
no pods: of a service that is scaled, such a sidecar joins the first container alone, and when its application is
started again, it stays behind in a network that is no more. So both are children of this program. It ends when one of
them does, and Docker starts the container again.
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
"""Where on loopback Envoy and the application say that they are well."""

ENVOY = shlex.split("envoy -c /etc/envoy/bootstrap.yaml --concurrency 1 --disable-hot-restart --log-level warning")

GUNICORN = shlex.split(
    "gunicorn --bind 0.0.0.0:5000 --worker-class gthread --threads 32 --worker-tmp-dir /tmp --no-control-socket "
    "--keep-alive 75 --graceful-timeout 8 --log-level warning"
)
"""On SIGTERM requests have 8 s to end: Docker kills the container after 10 s."""


def find_name() -> str:
    """Find what to call this instance: `api-1`, as Docker's DNS knows the container, or else by the container's id."""
    host, service = socket.gethostname(), os.environ["COMPOSE_SERVICE"]
    lookup = ["getent", "-s", "dns", "hosts", socket.gethostbyname(host)]
    answer = subprocess.run(lookup, capture_output=True, text=True, check=False).stdout
    # <address> xds_api_1.xds_default; of newer versions of Compose xds-api-1.xds_default
    found = re.search(rf"[_-]{service}[_-](\d+)\.", answer)
    return f"{service}-{found[1] if found else host}"


async def run() -> int:
    """Run both until one ends, or Docker says to stop; the application goes first, since it may need its sidecar."""
    name, module = find_name(), os.environ["APPLICATION"]
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    # All else the sidecar learns from the control plane.
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
    """Tell Docker whether both are well."""
    for port, path in WELL:
        connection = HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", path)
        if connection.getresponse().status != 200:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(check() if sys.argv[1:] == ["check"] else asyncio.run(run()))
