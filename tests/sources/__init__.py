"""Sources: files and folders, read and watched."""
