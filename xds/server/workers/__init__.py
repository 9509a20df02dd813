"""The worker processes, and how the leader (the process that holds the catalog) starts them and sends them changes."""
