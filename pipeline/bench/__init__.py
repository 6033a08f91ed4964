"""Benchmarks: the same answer first, then the time."""
