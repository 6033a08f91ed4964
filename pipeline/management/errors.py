"""The error of commands that manage stores."""

from motion_shards.errors import MotionShardsError


class ManagementError(MotionShardsError, ValueError):
    """Stores, videos or options that do not fit together; the message is one line."""
