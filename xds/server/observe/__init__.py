"""What the server tells of itself: logs, traces, counters."""
