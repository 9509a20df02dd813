"""The server's own log, spans and counters."""
