"""Scores of clips and videos: metrics, fusion, evaluation protocols."""
