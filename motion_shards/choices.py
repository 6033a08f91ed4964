"""Names among which a user chooses, for commands that have loaded nothing yet."""

OFFICIAL_DATASETS = ("hmdb51", "ucf101", "thumos14")
"""Data sets that are read with the lists of train and test videos they come with."""

DATASETS = (*OFFICIAL_DATASETS, "folder", "list", "demo")
"""Values of `--dataset`."""

MODALITIES = ("rgb", "flow", "mv")
"""Modalities that can be extracted and trained on; one file per shard and modality."""

MOTION = ("flow", "mv")
"""Modalities of (right, down) vectors in px, one field per interval between frames. The
others are pictures, one per frame."""

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
