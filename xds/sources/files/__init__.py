"""Catalogs in files and folders: which files belong to one, how a file is read, and how changes are noticed."""
