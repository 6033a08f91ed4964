"""What can go wrong while a folder is read as a data set.

DatasetError             also a ValueError
├── Damaged              one file, whose bytes are not what its name says
└── DatasetNotFound      also a FileNotFoundError: a folder or list that is not there
"""

from motion_shards.errors import MotionShardsError


class DatasetError(MotionShardsError, ValueError):
    """The folder or its lists are not the data set that was asked for."""


class DatasetNotFound(DatasetError, FileNotFoundError):
    """A folder or list file that is not there, or a folder without a video."""


class Damaged(DatasetError):
    """A file named as a video whose bytes are neither a video nor text."""
