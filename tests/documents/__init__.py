"""The project's documents: their commands run, their catalogs are valid, and their links work."""
