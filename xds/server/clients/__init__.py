"""The connected clients: their status, the documents about them, and the addresses of their metrics.

It only reads streams and sessions.
"""
