"""A Ray cluster from outside: its file, its jobs, its logs."""
