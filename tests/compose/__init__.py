"""The mesh in containers: its files, and the mesh itself wherever a Docker engine answers."""
