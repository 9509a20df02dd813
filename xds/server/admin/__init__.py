"""The HTTP admin: status, dump, metrics."""
