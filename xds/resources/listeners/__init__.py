"""Listener resources, their access logs and tracing."""
