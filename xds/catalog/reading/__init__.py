"""From the bytes of one document to a fragment of the catalog, with every mistake at its place."""
