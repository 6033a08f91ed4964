"""The same build_shard, spread out: in this process or over a pool of them."""
