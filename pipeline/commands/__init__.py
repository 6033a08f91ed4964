"""The `pipeline` command and its sub-commands."""
