"""Names of the files in the folder of a store."""

PLAN = "_plan.json"
MANIFEST = "manifest.json"
INDEX = "index.jsonl"
COMMITS = "_commits"
LOGS = "_logs"
"""Folder of logs that runs write about themselves; readers ignore it."""
ARRIVING = "_tmp"
"""Folder of shard files that are delivered and not yet published."""


def shard_file(modality: str, shard: int) -> str:
    """`flow-00003.h5`: shards count from 0."""
    return f"{modality}-{shard:05d}.h5"


def commit_file(modality: str, shard: int) -> str:
    """`_commits/flow-00003.json`."""
    return f"{COMMITS}/{modality}-{shard:05d}.json"
