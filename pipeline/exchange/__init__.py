"""Stores -> files of other programs."""
