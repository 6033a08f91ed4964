"""A store -> clips as tensors."""
