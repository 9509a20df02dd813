"""The HTTP admin: the server for its paths, and the Prometheus metrics.

The JSON documents about clients are in `server.clients`.
"""
