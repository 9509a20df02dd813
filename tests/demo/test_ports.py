"""Ports: what is in use is found and avoided."""

import socket
import subprocess
import sys
from contextlib import closing

from xds.cli.demo.ports import KEPT, LOOPBACK, QUIET_PORTS, Ports, free_port, is_free


def listen(port: int = 0, address: str = LOOPBACK) -> socket.socket:
    """Take a port as a server does."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen()
    return server


def test_free_port_is_one_that_a_server_can_take() -> None:
    """The port is free, and not among those that the kernel gives to outgoing connections."""
    port = free_port()
    assert port in QUIET_PORTS
    listen(port).close()


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    """Whether the listener has loopback alone or every address of the machine."""
    for address in (LOOPBACK, "0.0.0.0"):  # noqa: S104 it is open for an instant
        with listen(address=address) as server:
            assert not is_free(server.getsockname()[1])


def test_a_port_whose_server_has_just_closed_a_connection_is_free() -> None:
    """Connections in TIME_WAIT are in nobody's way: the demo can be started again at once."""
    with listen() as server:
        address = server.getsockname()
        with socket.create_connection(address) as client:
            server.accept()[0].close()  # the one that closes first keeps the connection in TIME_WAIT
            assert client.recv(1) == b""
    assert is_free(address[1])


def test_reserve_gives_the_preferred_port_or_the_next_one_that_is_free() -> None:
    """A port in use is passed over."""
    with closing(Ports()) as ports, listen(free_port()) as server:
        taken = server.getsockname()[1]
        assert ports.reserve(taken) > taken
        preferred = free_port()
        assert ports.reserve(preferred) == preferred


def test_two_takers_never_share_a_port() -> None:
    """A port is its taker's before anybody listens on it, and free again once the taker has closed."""
    preferred = free_port()
    with closing(Ports()) as one:
        assert one.reserve(preferred) == preferred
        with closing(Ports()) as other:
            assert other.reserve(preferred) > preferred
    with closing(Ports()) as third:
        assert third.reserve(preferred) == preferred


def test_a_free_port_is_given_once_until_many_more_were_given() -> None:
    """Its server may take its time to start; but a process keeps no more than it needs."""
    given = [free_port() for _ in range(KEPT)]
    assert len({*given}) == KEPT
    other = "from xds.cli.demo.ports import free_port; print(*(free_port() for _ in range(150)))"
    printed = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=True).stdout
    assert not {*map(int, printed.split())} & {*given}
