"""Executors of `build_shard`: in this process, in a pool of processes, on Ray."""
