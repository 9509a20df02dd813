"""The project's documents: their commands run, their catalogs are valid, their links lead somewhere."""
