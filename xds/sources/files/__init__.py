"""Catalogs in files and folders: read, watched, and put in order."""
