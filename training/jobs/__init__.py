"""Experiments from start to end."""
