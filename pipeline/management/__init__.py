"""Stores as wholes: a table of them, copies, parts, merges, other labels."""
