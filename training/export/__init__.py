"""Runs -> model folders that need no training code to be used."""
