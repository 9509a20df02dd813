"""Puts fragments together to a catalog: checks names and references, and keeps the last good state."""
