"""Streams: one task for each, which moves bytes between gRPC and a session."""
