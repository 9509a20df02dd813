"""The gRPC streams: one task per stream moves bytes between gRPC and a session."""
