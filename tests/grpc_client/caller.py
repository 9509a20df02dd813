"""A program that calls one target over gRPC, one call after the other, and writes who answered, a line for each call.

A failed call is a line too: `!`, its status and its details. SIGTERM ends the program.
"""

import signal
import sys
from threading import Event

import grpc

METHOD = "/tests.Who/Answer"


def call(target: str, rate: float) -> None:
    """Call at most `rate` times a second, until a signal ends the program."""
    ending = Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    with grpc.insecure_channel(target) as channel:
        answer: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
        while not ending.wait(1 / rate):
            try:
                line = answer(b"", timeout=30, wait_for_ready=False).decode()
            except grpc.RpcError as error:
                line = f"!{error.code().name} {error.details()}"
            print(line, flush=True)


if __name__ == "__main__":
    call(sys.argv[1], float(sys.argv[2]))
