"""From fragments to a catalog: names, references, and the last good state."""
