"""The server: gRPC and HTTP services, worker processes, metrics, the log, and how the process starts and stops.

Everything that needs a socket, a clock or the event loop belongs here. The rules of the xDS protocol do not: they are
in `session`, and this package only moves bytes between sockets and sessions.
"""
