"""The current resources, as each kind of node sees them, and what changed since the snapshot before."""
