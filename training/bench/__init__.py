"""Throughput of training: `training bench`."""
