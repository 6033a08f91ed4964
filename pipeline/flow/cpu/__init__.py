"""TV-L1 on the CPU."""
