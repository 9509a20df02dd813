"""The sources of catalogs: files and folders, which are read and watched. All input I/O for catalogs is here.

A source yields documents as bytes. How they are parsed is in `catalog`.
"""
