"""Exports of stores for other programs, and imports of their frames and flow."""
