"""Port selection: the demo detects ports in use and avoids them."""

import socket
import subprocess
import sys
from contextlib import closing

from xds.cli.demo.ports import KEPT, LOOPBACK, QUIET_PORTS, Ports, free_port, is_free


def listen(port: int = 0, address: str = LOOPBACK) -> socket.socket:
    """Listen on a port as a server does."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen()
    return server


def test_a_free_port_is_available_to_a_server() -> None:
    """The port is not in use, and not in the kernel's range for outgoing connections."""
    port = free_port()
    assert port in QUIET_PORTS
    listen(port).close()


def test_a_port_with_a_listener_is_not_free() -> None:
    """The listener may use loopback alone or every address of the machine."""
    for address in (LOOPBACK, "0.0.0.0"):  # noqa: S104 the port is open for an instant
        with listen(address=address) as server:
            assert not is_free(server.getsockname()[1])


def test_a_port_with_connections_in_time_wait_is_free() -> None:
    """They block nobody, so the demo can restart at once."""
    with listen() as server:
        address = server.getsockname()
        with socket.create_connection(address) as client:
            server.accept()[0].close()  # the side that closes first keeps the connection in TIME_WAIT
            assert client.recv(1) == b""
    assert is_free(address[1])


def test_reserve_returns_the_preferred_port_or_the_next_free_one() -> None:
    """It skips ports in use."""
    with closing(Ports()) as ports, listen(free_port()) as server:
        taken = server.getsockname()[1]
        assert ports.reserve(taken) > taken
        preferred = free_port()
        assert ports.reserve(preferred) == preferred


def test_two_takers_never_share_a_port() -> None:
    """A port is reserved before its server listens, and free again when the reservation ends."""
    preferred = free_port()
    with closing(Ports()) as one:
        assert one.reserve(preferred) == preferred
        with closing(Ports()) as other:
            assert other.reserve(preferred) > preferred
    with closing(Ports()) as third:
        assert third.reserve(preferred) == preferred


def test_a_free_port_is_not_repeated_until_many_others_were_returned() -> None:
    """Its server may start slowly. But a process keeps only the ports that it needs."""
    given = [free_port() for _ in range(KEPT)]
    assert len({*given}) == KEPT
    other = "from xds.cli.demo.ports import free_port; print(*(free_port() for _ in range(150)))"
    printed = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=True).stdout
    assert not {*map(int, printed.split())} & {*given}
