"""What is known of the connected clients: their state, what they are served, their metrics' addresses."""
