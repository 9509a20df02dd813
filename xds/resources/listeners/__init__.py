"""Listener resources, with their access logs and tracing."""
