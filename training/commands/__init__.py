"""The `training` command and its sub-commands."""
