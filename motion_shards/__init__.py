"""Code shared by `pipeline` and `training`: their start, and joining a Ray cluster."""

__version__ = "0.2.0"
