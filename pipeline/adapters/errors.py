"""Errors of reading a folder as a data set.

DatasetError             also a ValueError
├── Damaged              a file whose content does not fit its name
└── DatasetNotFound      also a FileNotFoundError: a folder or list that is not there
"""

from motion_shards.errors import MotionShardsError


class DatasetError(MotionShardsError, ValueError):
    """The folder or its lists are not the data set that was asked for."""


class DatasetNotFound(DatasetError, FileNotFoundError):
    """A folder or list file that is not there, or a folder without a video."""


class Damaged(DatasetError):
    """A file named as a video whose bytes are neither a video nor text."""
