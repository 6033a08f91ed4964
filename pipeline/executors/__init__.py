"""The same `build_shard`, spread out: in this process, over a pool of them, on Ray."""
