"""What `pipeline` and `training` share: how they start, and how they join a Ray cluster."""
