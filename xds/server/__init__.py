"""Moves bytes between sockets and sessions: the gRPC services, the log, and the life of the process."""
