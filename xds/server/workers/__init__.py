"""Worker processes, and the feed by which they get what the leader builds."""
