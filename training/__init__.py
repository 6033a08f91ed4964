"""Shards in, action-recognition models and reports out."""
