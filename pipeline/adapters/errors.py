"""What can go wrong while a folder is read as a data set.

DatasetError             also a ValueError
└── DatasetNotFound      also a FileNotFoundError: a folder or list that is not there
"""


class DatasetError(ValueError):
    """The folder or its lists are not the data set that was asked for."""


class DatasetNotFound(DatasetError, FileNotFoundError):
    """A folder or list file that is not there, or a folder without a video."""
