"""Cameras, addresses and pipes -> the blocks of a video that does not end."""
