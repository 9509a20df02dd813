"""Sources: reading and watching files and folders."""
