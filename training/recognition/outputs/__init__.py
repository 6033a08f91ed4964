"""Answers about videos -> text, subtitles, annotated videos, a page."""
