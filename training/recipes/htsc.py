"""HTSC."""
SYSTEMS = ()
