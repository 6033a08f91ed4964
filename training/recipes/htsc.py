"""HTSC."""

SYSTEMS = ()
