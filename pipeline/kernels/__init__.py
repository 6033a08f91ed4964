"""Compiled kernels kept between processes."""
