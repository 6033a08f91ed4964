"""A folder as users have it -> labelled videos with splits and groups."""

from motion_shards.choices import DATASETS

from .errors import DatasetError, DatasetNotFound
from .loading import load
from .videos import DataSet, Finding, Segment, Video

__all__ = [
    "DATASETS",
    "DataSet",
    "DatasetError",
    "DatasetNotFound",
    "Finding",
    "Segment",
    "Video",
    "load",
]
