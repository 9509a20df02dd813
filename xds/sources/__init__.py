"""Where catalogs come from: a file or a folder, read and watched. All I/O of input is here."""
