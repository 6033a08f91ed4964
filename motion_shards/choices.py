"""Names among which a user chooses, for commands that have loaded nothing yet."""

MODALITIES = ("rgb", "flow", "mv")
"""Modalities that can be extracted and trained on; one file per shard and modality."""

X264_PRESETS = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
)
"""Presets of the x264 encoder, the fastest first."""
