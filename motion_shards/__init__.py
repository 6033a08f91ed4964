"""What `pipeline` and `training` share: how they start, and how they join a Ray cluster."""

__version__ = "0.2.0"
