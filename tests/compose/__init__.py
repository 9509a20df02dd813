"""Tests of the mesh in containers: its files, and the mesh itself if a Docker engine is available."""
