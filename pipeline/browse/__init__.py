"""A store as a static page: cards of its videos, figures, oddities."""
