"""Errors of the page of a store.

MotionShardsError
├── FolderInUse      also a FileExistsError
└── DrawingError     also a RuntimeError
"""

from motion_shards.errors import MotionShardsError


class FolderInUse(MotionShardsError, FileExistsError):
    """The folder for a page holds something else; one line."""


class DrawingError(MotionShardsError, RuntimeError):
    """A process that draws has died; one line."""
