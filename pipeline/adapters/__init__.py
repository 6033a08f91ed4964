"""A folder as users have it -> labelled videos with splits and groups."""

from .errors import DatasetError, DatasetNotFound
from .loading import DATASETS, load
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
