"""Building one shard."""
